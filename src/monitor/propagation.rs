//! W3C trace context in environment variables: `TRACEPARENT`, `TRACESTATE`, `BAGGAGE`.
//!
//! Source: OpenTelemetry, "Environment Variables as Context Propagation Carriers"; W3C Trace Context.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Longest `TRACESTATE` or `BAGGAGE` that is handed on, in bytes (the W3C asks for 512 and 8192).
const CARRIER_BYTES_MAX: usize = 8192;

/// The span that this run is part of, where the caller has one.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// The caller's span.
    pub parent: Option<SpanContext>,
    /// The caller's baggage, handed on as it is.
    pub baggage: Option<String>,
}

impl Inherited {
    /// Reads the three variables by `lookup`; what does not parse counts as absent.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let state = lookup("TRACESTATE").filter(|text| text.len() <= CARRIER_BYTES_MAX);
        Self {
            parent: lookup("TRACEPARENT").and_then(|text| parse_traceparent(&text, state.as_deref())),
            baggage: lookup("BAGGAGE").filter(|text| text.len() <= CARRIER_BYTES_MAX),
        }
    }
}

/// Reads `00-<trace id>-<span id>-<flags>`. `None` where it is malformed or all zero.
#[must_use]
pub fn parse_traceparent(text: &str, state: Option<&str>) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let well_formed =
        is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // Version 00 has exactly four parts; later ones may append more.
    if !well_formed || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let state = state.and_then(|text| text.parse::<TraceState>().ok()).unwrap_or_default();
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8());
    let context = SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, state);
    context.is_valid().then_some(context)
}

/// Writes the `TRACEPARENT` of a span.
#[must_use]
pub fn format_traceparent(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_survives_the_round_trip() {
        let context = parse_traceparent(PARENT, Some("vendor=1")).expect("valid");
        assert_eq!(format_traceparent(&context), PARENT);
        assert_eq!(context.trace_state().get("vendor"), Some("1"));
    }

    #[test]
    fn malformed_parents_are_absent() {
        for text in [
            "",
            "00",
            "00-0-0-0",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(parse_traceparent(text, None).is_none(), "{text}");
        }
    }

    #[test]
    fn a_later_version_may_carry_more() {
        assert!(parse_traceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None).is_some());
    }
}

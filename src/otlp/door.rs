//! Admits a request: every byte is checked once, single bad items are cut out and counted, the rest passes on.

use bytes::Bytes;

use super::check::Checker;
use super::json::{self, JsonError};
use super::reason::Census;
pub use super::reason::Reason;
use super::schema::request;
use super::sink::Accepted;
use super::wire::WireError;
use crate::model::Signal;

/// Items of one request at most. An empty record takes two bytes of a body, and a hundred times that as a row: a body
/// within its limit, of a few kilobytes compressed, could hold more of them than memory.
pub const ITEMS_MAX: u64 = 1 << 20;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`, and gRPC.
    Protobuf,
    /// `application/json`: OTLP/JSON.
    Json,
}

/// What a request may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, also after inflation.
    pub body_bytes_max: usize,
    /// Attributes of one resource, scope, metric, span, event, link, point or record.
    pub attributes_max: usize,
    /// Takes enums by name in OTLP/JSON, which the specification forbids; they are counted.
    pub lenient_enum_names: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes_max: 64 << 20, attributes_max: 1024, lenient_enum_names: false }
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Admission {
    /// What may be stored; `None` where no item is left.
    pub accepted: Option<Accepted>,
    /// Items refused, by reason; empty in most requests.
    pub refused: Vec<(Reason, u64)>,
    /// English text for `partial_success`: why items were refused, or what was odd though taken.
    pub message: Option<String>,
    /// Enums that came as names and were taken.
    pub enum_names: u64,
}

impl Admission {
    /// Items refused.
    #[must_use]
    pub fn refused_count(&self) -> u64 {
        self.refused.iter().map(|(_, count)| count).sum()
    }
}

/// Why a body as a whole is unreadable: the client's fault, and not worth a retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// Not protobuf, or another message.
    #[error("not an OTLP {} request: {source}", .signal.as_str())]
    Protobuf {
        /// What was expected.
        signal: Signal,
        /// What is wrong.
        source: WireError,
    },
    /// Not JSON, or another document.
    #[error("not an OTLP/JSON {} request: {source}", .signal.as_str())]
    Json {
        /// What was expected.
        signal: Signal,
        /// What is wrong.
        source: JsonError,
    },
    /// More bytes than the limit.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More items than [`ITEMS_MAX`].
    #[error("the request has more than {} items", ITEMS_MAX)]
    TooMany,
}

/// Checks a whole, inflated body. Where every item of a protobuf body is fine, it passes without a copy.
pub fn admit(signal: Signal, encoding: Encoding, body: Bytes, limits: &Limits) -> Result<Admission, DoorError> {
    admit_within(signal, encoding, body, limits, limits.body_bytes_max)
}

/// As [`admit`]; a JSON body may become at most `decoded_bytes_max` bytes of protobuf.
pub(super) fn admit_within(
    signal: Signal,
    encoding: Encoding,
    body: Bytes,
    limits: &Limits,
    decoded_bytes_max: usize,
) -> Result<Admission, DoorError> {
    if body.len() > limits.body_bytes_max {
        return Err(DoorError::TooLarge { limit: limits.body_bytes_max });
    }
    match encoding {
        Encoding::Protobuf => admit_protobuf(signal, body, limits, &Census::default(), 0),
        Encoding::Json => {
            let decoded = json::decode(request(signal), &body, limits.lenient_enum_names, decoded_bytes_max);
            let decoded = decoded.map_err(|source| match source {
                JsonError::TooLarge => DoorError::TooLarge { limit: decoded_bytes_max },
                source => DoorError::Json { signal, source },
            })?;
            drop(body);
            admit_protobuf(signal, decoded.body.into(), limits, &decoded.census, decoded.enum_names)
        }
    }
}

/// `before` holds what the JSON decoder refused already.
fn admit_protobuf(
    signal: Signal,
    body: Bytes,
    limits: &Limits,
    before: &Census,
    enum_names: u64,
) -> Result<Admission, DoorError> {
    let unreadable = |source| DoorError::Protobuf { signal, source };
    let checker = Checker { attributes_max: limits.attributes_max, strict: false };
    let mut census = checker.census(request(signal), &body).map_err(unreadable)?;
    if census.items > ITEMS_MAX {
        return Err(DoorError::TooMany);
    }
    let whole = census.refused() == 0 && !census.cut;
    let body = if whole || census.items == 0 {
        body
    } else {
        let mut rest = Vec::with_capacity(body.len());
        checker.rewrite(request(signal), &body, &mut rest).map_err(unreadable)?;
        Bytes::from(rest)
    };
    census.add_refused(before);
    let accepted =
        (census.items > 0).then(|| Accepted { signal, body, items: u32::try_from(census.items).unwrap_or(u32::MAX) });
    Ok(Admission {
        accepted,
        refused: census.by_reason().collect(),
        message: describe(signal, &census, enum_names),
        enum_names,
    })
}

/// The word for one signal's items, in the plural.
fn items_word(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "spans",
        Signal::Metrics => "data points",
        Signal::Logs => "log records",
    }
}

/// A sentence of bounded length: it names reasons and counts, never what a client sent.
fn describe(signal: Signal, census: &Census, enum_names: u64) -> Option<String> {
    let mut parts = Vec::new();
    let refused = census.refused();
    if refused > 0 {
        let reasons: Vec<String> =
            census.by_reason().map(|(reason, count)| format!("{} {count}", reason.as_str())).collect();
        let of = refused + census.items;
        parts.push(format!("refused {refused} of {of} {}: {}", items_word(signal), reasons.join(", ")));
    }
    if enum_names > 0 {
        parts.push(format!("took {enum_names} enums by name; OTLP/JSON has numbers"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The one signal whose request these bytes are, strictly read: no unknown field, no refusal, at least one item.
/// `None` where none fits, or several do.
#[must_use]
pub fn strict_signal(body: &[u8]) -> Option<Signal> {
    let checker = Checker { attributes_max: usize::MAX, strict: true };
    let fits = |signal: &Signal| {
        checker.census(request(*signal), body).is_ok_and(|census| census.items > 0 && census.refused() == 0)
    };
    let mut fitting = Signal::ALL.into_iter().filter(fits);
    let first = fitting.next();
    if fitting.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_short_body_of_very_many_empty_items_is_too_large() {
        let most = usize::try_from(ITEMS_MAX).unwrap();
        let admitted = |count: usize| {
            let scope_logs = vec![ScopeLogs { log_records: vec![LogRecord::default(); count], ..ScopeLogs::default() }];
            let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
            let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
            admit(Signal::Logs, Encoding::Protobuf, body.into(), &Limits::default())
        };
        assert_eq!(admitted(most).unwrap().accepted.unwrap().items, u32::try_from(ITEMS_MAX).unwrap());
        let refusal = admitted(most + 1).unwrap_err();
        assert_eq!(refusal.to_string(), "the request has more than 1048576 items");
        assert_eq!(super::super::refusal::Refusal::from(refusal).http_status(), 413);
    }
}

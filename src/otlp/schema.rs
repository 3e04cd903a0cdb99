//! OTLP's messages as data: one table serves the JSON decoder, the check at the door and the strict check of imports.
//!
//! Names are those of OTLP/JSON (lowerCamelCase), numbers those of opentelemetry-proto 1.10.

use super::wire::WireError;
use crate::model::Signal;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes: Base64 in JSON.
    Bytes,
    /// A trace or span id: hex in JSON.
    Id(Id),
    Bool,
    /// int64, as a varint.
    Int64,
    /// uint32, as a varint.
    Uint32,
    /// uint64, as a varint; repeated ones are packed.
    Uint64,
    /// sint32, as a zigzag varint.
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    /// An enum: a number; the names are for the lenient switch.
    Enum(&'static [(&'static str, i32)]),
    Message(&'static Message),
}

/// Which id, and whether the item is refused without it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    Trace,
    Span,
    OptionalTrace,
    OptionalSpan,
}

impl Id {
    /// Checks length and content; where the id may be absent, empty and all-zero mean that it is.
    pub(super) fn check(self, bytes: &[u8]) -> Result<(), WireError> {
        let (length, required, refusal) = match self {
            Self::Trace => (16, true, WireError::TraceId),
            Self::Span => (8, true, WireError::SpanId),
            Self::OptionalTrace => (16, false, WireError::TraceId),
            Self::OptionalSpan => (8, false, WireError::SpanId),
        };
        let absent = bytes.iter().all(|byte| *byte == 0);
        let fits = bytes.len() == length || (bytes.is_empty() && !required);
        if fits && !(required && absent) { Ok(()) } else { Err(refusal) }
    }
}

/// How often a field occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Once; the default is left out.
    Single,
    /// Once; the default is written, since presence says something (oneof and optional).
    Present,
    /// Any number of times.
    Repeated,
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldSpec {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) label: Label,
}

/// What a message means to the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Holds items somewhere below: refused as a whole only when it is itself unreadable.
    Container,
    /// A span, point or log record: what is refused and counted singly.
    Item,
    /// Part of an item or of a resource.
    Part,
}

/// One message type.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) fields: &'static [FieldSpec],
    /// Place in `fields` by number, plus one; 0: no such field.
    by_number: [u8; 20],
    /// Whether a trace and a span id must be there.
    pub(super) needs_ids: bool,
    /// Whether it counts towards the depth of nested values.
    pub(super) nests: bool,
}

impl Message {
    #[expect(clippy::cast_possible_truncation, reason = "no message has 255 fields")]
    const fn new(role: Role, fields: &'static [FieldSpec]) -> Self {
        let mut by_number = [0; 20];
        let mut index = 0;
        while index < fields.len() {
            by_number[fields[index].number as usize] = index as u8 + 1;
            index += 1;
        }
        Self { role, fields, by_number, needs_ids: false, nests: false }
    }

    /// The field of a number.
    #[inline]
    pub(super) fn field(&self, number: u32) -> Option<&'static FieldSpec> {
        let place = *self.by_number.get(number as usize)?;
        self.fields.get(usize::from(place.checked_sub(1)?))
    }

    /// Whether it is a map among values, to which the limit of attributes does not apply.
    pub(super) fn is_map(&self) -> bool {
        std::ptr::eq(self, &raw const KEY_VALUE_LIST)
    }

    /// The field of a JSON name.
    pub(super) fn named(&self, name: &str) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const fn one(number: u32, name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec { number, name, kind, label: Label::Single }
}

const fn present(number: u32, name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec { number, name, kind, label: Label::Present }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> FieldSpec {
    FieldSpec { number, name, kind, label: Label::Repeated }
}

const fn attributes(number: u32) -> FieldSpec {
    many(number, "attributes", Kind::Message(&KEY_VALUE))
}

/// The export request of a signal.
pub(super) fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}

pub(super) static KEY_VALUE: Message =
    Message::new(Role::Part, &[one(1, "key", Kind::Text), one(2, "value", Kind::Message(&ANY_VALUE))]);

static ANY_VALUE: Message = Message {
    nests: true,
    ..Message::new(
        Role::Part,
        &[
            present(1, "stringValue", Kind::Text),
            present(2, "boolValue", Kind::Bool),
            present(3, "intValue", Kind::Int64),
            present(4, "doubleValue", Kind::Double),
            present(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
            present(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
            present(7, "bytesValue", Kind::Bytes),
        ],
    )
};

static ARRAY_VALUE: Message = Message::new(Role::Part, &[many(1, "values", Kind::Message(&ANY_VALUE))]);
static KEY_VALUE_LIST: Message = Message::new(Role::Part, &[many(1, "values", Kind::Message(&KEY_VALUE))]);

static ENTITY_REF: Message = Message::new(
    Role::Part,
    &[
        one(1, "schemaUrl", Kind::Text),
        one(2, "type", Kind::Text),
        many(3, "idKeys", Kind::Text),
        many(4, "descriptionKeys", Kind::Text),
    ],
);

static RESOURCE: Message = Message::new(
    Role::Part,
    &[attributes(1), one(2, "droppedAttributesCount", Kind::Uint32), many(3, "entityRefs", Kind::Message(&ENTITY_REF))],
);

static SCOPE: Message = Message::new(
    Role::Part,
    &[
        one(1, "name", Kind::Text),
        one(2, "version", Kind::Text),
        attributes(3),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ],
);

/// A request, a resource block or a scope block: they differ in what field 1 and 2 are called.
const fn resource_block(scopes: &'static str, block: &'static Message) -> [FieldSpec; 3] {
    [
        one(1, "resource", Kind::Message(&RESOURCE)),
        many(2, scopes, Kind::Message(block)),
        one(3, "schemaUrl", Kind::Text),
    ]
}

const fn scope_block(items: &'static str, item: &'static Message) -> [FieldSpec; 3] {
    [one(1, "scope", Kind::Message(&SCOPE)), many(2, items, Kind::Message(item)), one(3, "schemaUrl", Kind::Text)]
}

// ---- traces ----

static TRACES: Message = Message::new(Role::Container, &[many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))]);
static RESOURCE_SPANS: Message = Message::new(Role::Container, &resource_block("scopeSpans", &SCOPE_SPANS));
static SCOPE_SPANS: Message = Message::new(Role::Container, &scope_block("spans", &SPAN));

static SPAN_KINDS: [(&str, i32); 6] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];

static STATUS_CODES: [(&str, i32); 3] = [("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];

static SPAN: Message = Message {
    needs_ids: true,
    ..Message::new(
        Role::Item,
        &[
            one(1, "traceId", Kind::Id(Id::Trace)),
            one(2, "spanId", Kind::Id(Id::Span)),
            one(3, "traceState", Kind::Text),
            one(4, "parentSpanId", Kind::Id(Id::OptionalSpan)),
            one(5, "name", Kind::Text),
            one(6, "kind", Kind::Enum(&SPAN_KINDS)),
            one(7, "startTimeUnixNano", Kind::Fixed64),
            one(8, "endTimeUnixNano", Kind::Fixed64),
            attributes(9),
            one(10, "droppedAttributesCount", Kind::Uint32),
            many(11, "events", Kind::Message(&EVENT)),
            one(12, "droppedEventsCount", Kind::Uint32),
            many(13, "links", Kind::Message(&LINK)),
            one(14, "droppedLinksCount", Kind::Uint32),
            one(15, "status", Kind::Message(&STATUS)),
            one(16, "flags", Kind::Fixed32),
        ],
    )
};

static STATUS: Message =
    Message::new(Role::Part, &[one(2, "message", Kind::Text), one(3, "code", Kind::Enum(&STATUS_CODES))]);

static EVENT: Message = Message::new(
    Role::Part,
    &[
        one(1, "timeUnixNano", Kind::Fixed64),
        one(2, "name", Kind::Text),
        attributes(3),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ],
);

static LINK: Message = Message::new(
    Role::Part,
    &[
        one(1, "traceId", Kind::Id(Id::OptionalTrace)),
        one(2, "spanId", Kind::Id(Id::OptionalSpan)),
        one(3, "traceState", Kind::Text),
        attributes(4),
        one(5, "droppedAttributesCount", Kind::Uint32),
        one(6, "flags", Kind::Fixed32),
    ],
);

// ---- metrics ----

static METRICS: Message =
    Message::new(Role::Container, &[many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))]);
static RESOURCE_METRICS: Message = Message::new(Role::Container, &resource_block("scopeMetrics", &SCOPE_METRICS));
static SCOPE_METRICS: Message = Message::new(Role::Container, &scope_block("metrics", &METRIC));

static TEMPORALITIES: [(&str, i32); 3] = [
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

static METRIC: Message = Message::new(
    Role::Container,
    &[
        one(1, "name", Kind::Text),
        one(2, "description", Kind::Text),
        one(3, "unit", Kind::Text),
        present(5, "gauge", Kind::Message(&GAUGE)),
        present(7, "sum", Kind::Message(&SUM)),
        present(9, "histogram", Kind::Message(&HISTOGRAM)),
        present(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL)),
        present(11, "summary", Kind::Message(&SUMMARY)),
        many(12, "metadata", Kind::Message(&KEY_VALUE)),
    ],
);

const TEMPORALITY: FieldSpec = one(2, "aggregationTemporality", Kind::Enum(&TEMPORALITIES));

static GAUGE: Message = Message::new(Role::Container, &[many(1, "dataPoints", Kind::Message(&NUMBER_POINT))]);
static SUM: Message = Message::new(
    Role::Container,
    &[many(1, "dataPoints", Kind::Message(&NUMBER_POINT)), TEMPORALITY, one(3, "isMonotonic", Kind::Bool)],
);
static HISTOGRAM: Message =
    Message::new(Role::Container, &[many(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT)), TEMPORALITY]);
static EXPONENTIAL: Message =
    Message::new(Role::Container, &[many(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT)), TEMPORALITY]);
static SUMMARY: Message = Message::new(Role::Container, &[many(1, "dataPoints", Kind::Message(&SUMMARY_POINT))]);

const POINT_START: FieldSpec = one(2, "startTimeUnixNano", Kind::Fixed64);
const POINT_TIME: FieldSpec = one(3, "timeUnixNano", Kind::Fixed64);

const fn exemplars(number: u32) -> FieldSpec {
    many(number, "exemplars", Kind::Message(&EXEMPLAR))
}

static NUMBER_POINT: Message = Message::new(
    Role::Item,
    &[
        POINT_START,
        POINT_TIME,
        present(4, "asDouble", Kind::Double),
        exemplars(5),
        present(6, "asInt", Kind::Sfixed64),
        attributes(7),
        one(8, "flags", Kind::Uint32),
    ],
);

static HISTOGRAM_POINT: Message = Message::new(
    Role::Item,
    &[
        POINT_START,
        POINT_TIME,
        one(4, "count", Kind::Fixed64),
        present(5, "sum", Kind::Double),
        many(6, "bucketCounts", Kind::Fixed64),
        many(7, "explicitBounds", Kind::Double),
        exemplars(8),
        attributes(9),
        one(10, "flags", Kind::Uint32),
        present(11, "min", Kind::Double),
        present(12, "max", Kind::Double),
    ],
);

static EXPONENTIAL_POINT: Message = Message::new(
    Role::Item,
    &[
        attributes(1),
        POINT_START,
        POINT_TIME,
        one(4, "count", Kind::Fixed64),
        present(5, "sum", Kind::Double),
        one(6, "scale", Kind::Sint32),
        one(7, "zeroCount", Kind::Fixed64),
        one(8, "positive", Kind::Message(&BUCKETS)),
        one(9, "negative", Kind::Message(&BUCKETS)),
        one(10, "flags", Kind::Uint32),
        exemplars(11),
        present(12, "min", Kind::Double),
        present(13, "max", Kind::Double),
        one(14, "zeroThreshold", Kind::Double),
    ],
);

static BUCKETS: Message =
    Message::new(Role::Part, &[one(1, "offset", Kind::Sint32), many(2, "bucketCounts", Kind::Uint64)]);

static SUMMARY_POINT: Message = Message::new(
    Role::Item,
    &[
        POINT_START,
        POINT_TIME,
        one(4, "count", Kind::Fixed64),
        one(5, "sum", Kind::Double),
        many(6, "quantileValues", Kind::Message(&QUANTILE)),
        attributes(7),
        one(8, "flags", Kind::Uint32),
    ],
);

static QUANTILE: Message = Message::new(Role::Part, &[one(1, "quantile", Kind::Double), one(2, "value", Kind::Double)]);

static EXEMPLAR: Message = Message::new(
    Role::Part,
    &[
        one(2, "timeUnixNano", Kind::Fixed64),
        present(3, "asDouble", Kind::Double),
        one(4, "spanId", Kind::Id(Id::OptionalSpan)),
        one(5, "traceId", Kind::Id(Id::OptionalTrace)),
        present(6, "asInt", Kind::Sfixed64),
        many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
    ],
);

// ---- logs ----

static LOGS: Message = Message::new(Role::Container, &[many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]);
static RESOURCE_LOGS: Message = Message::new(Role::Container, &resource_block("scopeLogs", &SCOPE_LOGS));
static SCOPE_LOGS: Message = Message::new(Role::Container, &scope_block("logRecords", &LOG_RECORD));

static SEVERITIES: [(&str, i32); 25] = [
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];

static LOG_RECORD: Message = Message::new(
    Role::Item,
    &[
        one(1, "timeUnixNano", Kind::Fixed64),
        one(2, "severityNumber", Kind::Enum(&SEVERITIES)),
        one(3, "severityText", Kind::Text),
        one(5, "body", Kind::Message(&ANY_VALUE)),
        attributes(6),
        one(7, "droppedAttributesCount", Kind::Uint32),
        one(8, "flags", Kind::Fixed32),
        one(9, "traceId", Kind::Id(Id::OptionalTrace)),
        one(10, "spanId", Kind::Id(Id::OptionalSpan)),
        one(11, "observedTimeUnixNano", Kind::Fixed64),
        one(12, "eventName", Kind::Text),
    ],
);

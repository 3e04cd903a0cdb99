//! The tables themselves: requests and their blocks, then traces, metrics and logs.

use super::{FieldSpec, Id, Kind, Label, Message, Role};
use crate::model::Signal;

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
pub(in super::super) fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}

pub(in super::super) static KEY_VALUE: Message =
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
pub(super) static KEY_VALUE_LIST: Message = Message::new(Role::Part, &[many(1, "values", Kind::Message(&KEY_VALUE))]);

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

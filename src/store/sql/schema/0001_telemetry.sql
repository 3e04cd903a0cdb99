-- Telemetry as it arrived: spans, points, logs, and what they share.
-- Portable to DuckLake: no keys, sequences, enums or indexes.
-- Times are nanoseconds since the Unix epoch, UTC; a trace id is two 64-bit halves.

create table resources (
    resource_id ubigint not null,       -- hash of the content: the same on every collector
    service varchar,                    -- service.name
    instance varchar,                   -- service.instance.id
    schema_url varchar,
    attributes varchar                  -- JSON object
);

create table scopes (
    scope_id ubigint not null,          -- hash of the content
    name varchar,
    version varchar,
    schema_url varchar,
    attributes varchar                  -- JSON object
);

-- What many spans have in common: name, events, attributes, and the keys of the attributes that differ.
create table span_sets (
    set_id uinteger not null,
    name varchar,                       -- null: the spans have their own
    events varchar,                     -- as in span_rows.rest; null: the spans have their own, or none
    attributes varchar not null,        -- JSON members, without braces; may be empty
    key_1 varchar,                      -- a key in quotes and its colon, as it stands before span_rows.value_1
    key_2 varchar,
    key_3 varchar,
    key_4 varchar
);

create table span_rows (
    trace_hi ubigint not null,
    trace_lo ubigint not null,
    span_id ubigint not null,
    parent_span_id ubigint not null,    -- 0: none
    start_ns bigint not null,
    duration_ns bigint not null,
    resource_id ubigint not null,
    scope_id ubigint not null,
    kind utinyint not null,             -- OTLP SpanKind
    status utinyint not null,           -- OTLP StatusCode: 0 unset, 1 ok, 2 error
    set_id uinteger not null,           -- what many spans share; 0: nothing
    name varchar,                       -- null: the set has it
    value_1 varchar,                    -- JSON value of the attribute that the set's key_1 names; and so on
    value_2 varchar,
    value_3 varchar,
    value_4 varchar,
    more varchar,                       -- further attributes as JSON members, without braces
    rest varchar                        -- what few spans have, as a JSON object: events (where the set has none) as an
                                        -- array of {"t": ns after start, "n": name, "a": {...}, "d": dropped}, links as
                                        -- one of {"trace_id", "span_id", "trace_state", "a", "d", "flags"}, and
                                        -- status_message, flags, trace_state, dropped_attributes, dropped_events,
                                        -- dropped_links
);

create table point_rows (
    time_ns bigint not null,
    start_ns bigint,
    resource_id ubigint not null,
    scope_id ubigint not null,
    name varchar not null,
    unit varchar,
    description varchar,
    type varchar not null,              -- gauge, sum, histogram, exponential_histogram, summary
    temporality utinyint not null,      -- 0 unspecified, 1 delta, 2 cumulative
    monotonic boolean,
    value double,                       -- gauge and sum
    value_int bigint,                   -- the same, where it was sent as an integer
    count ubigint,
    sum double,
    min double,
    max double,
    bounds double[],
    buckets ubigint[],
    scale integer,
    zero_count ubigint,
    zero_threshold double,
    positive_offset integer,
    positive ubigint[],
    negative_offset integer,
    negative ubigint[],
    quantiles varchar,                  -- JSON array of [quantile, value]
    flags uinteger,                     -- bit 0: no recorded value
    attributes varchar,                 -- JSON object; null: none
    exemplars varchar,                  -- JSON array
    metadata varchar,                   -- JSON object
    point_key ubigint not null          -- hash of resource, scope, name, attributes and start
);

create table log_rows (
    time_ns bigint not null,
    observed_ns bigint,
    resource_id ubigint not null,
    scope_id ubigint not null,
    severity_number utinyint,
    severity_text varchar,
    event_name varchar,
    body varchar,                       -- JSON value
    attributes varchar,                 -- JSON object; null: none
    trace_hi ubigint,
    trace_lo ubigint,
    span_id ubigint,
    flags uinteger,
    dropped_attributes uinteger,
    log_key ubigint not null            -- hash of the content and the place among equals of its request
);

-- How far the segment log has been loaded; written in the transaction that loads.
create table ingest_positions (
    collector varchar not null,
    segment ubigint not null,
    position ubigint not null
);

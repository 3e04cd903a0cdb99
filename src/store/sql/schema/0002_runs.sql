-- Runs, steps and what belongs to them: derived from telemetry, always recomputable.

-- What the conventions say of single spans: only of those that say anything (or are plain roots).
create table span_facts (
    trace_hi ubigint not null,
    trace_lo ubigint not null,
    span_id ubigint not null,
    start_ns bigint not null,
    rule varchar not null,              -- rules of config/conventions that matched; local-root, quiet
    root boolean,                       -- names no parent
    marker varchar,                     -- run: a run wherever it stands; root: only as the outermost span
    quiet boolean,                      -- plain request instrumentation
    ignored boolean,                    -- no part of any run
    pipeline varchar,
    fallback varchar,                   -- the span's name folded, else the service
    run_id varchar,
    name_id varchar,                    -- id by which id_names may name it
    step varchar,                       -- for a marker: what it is inside another run
    top_only boolean,                   -- a step only where no other step is around it
    attempt integer,
    retried boolean,                    -- failed, and will be tried again
    failure_is_final boolean,           -- fails the run even where work went on
    failure_is_nothing boolean,         -- says nothing about the run
    fails_inside boolean,               -- failed if a span inside it failed
    outcome varchar,                    -- said by an attribute
    unset_outcome varchar,              -- where the status is unset
    lost_outcome varchar,               -- of the run, if its run span never comes
    ok_is_weak boolean,                 -- a status of OK proves nothing
    error varchar,
    error_type varchar,
    usage varchar,                      -- call, aggregate
    model varchar,
    provider varchar,
    operation varchar,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens bigint,
    cost_usd double,
    branch varchar,
    revision varchar,
    environment varchar,
    host_class varchar,
    items double,
    input_size double,
    api_calls bigint,
    duration_s double,
    peak_memory_bytes bigint,
    mean_memory_bytes bigint,
    cpu_s double,
    disk_read_bytes bigint,
    disk_write_bytes bigint
);

-- The same of resources: read where the span itself says nothing.
create table resource_facts (
    resource_id ubigint not null,
    pipeline varchar,
    run_id varchar,
    branch varchar,
    revision varchar,
    environment varchar,
    host_class varchar
);

-- Quality scores as they came, from spans, their events and log records.
create table score_rows (
    trace_hi ubigint not null,
    trace_lo ubigint not null,
    span_id ubigint not null,           -- 0: of the trace as a whole
    start_ns bigint,                    -- the span's; null: from a log record
    name varchar not null,
    score double,
    label varchar,
    at_ns bigint not null
);

-- Names that log records give to runs and steps (Prefect).
create table id_names (
    id varchar not null,
    name varchar not null,
    at_ns bigint not null,
    trace_hi ubigint,
    trace_lo ubigint
);

-- Which traces a run is made of.
create table run_traces (
    run_key varchar not null,
    trace_hi ubigint not null,
    trace_lo ubigint not null,
    whole boolean not null,             -- every span of the trace in that time belongs to the run
    first_ns bigint not null,
    last_ns bigint not null
);

-- Which processes worked for a run: their metrics belong to it while it lasts.
create table run_resources (
    run_key varchar not null,
    resource_id ubigint not null,
    first_ns bigint not null,
    last_ns bigint not null
);

-- Which run a span belongs to, where its trace does not belong wholly to one.
create table span_runs (
    run_key varchar not null,
    trace_hi ubigint not null,
    trace_lo ubigint not null,
    span_id ubigint not null,
    start_ns bigint not null
);

create table run_rows (
    run_key varchar not null,           -- ours: unique, stable across re-import
    run_id varchar not null,            -- the emitter's: may repeat
    pipeline varchar not null,
    service varchar,
    trace_hi ubigint,                   -- the trace of the run span, else of the first span
    trace_lo ubigint,
    root_span_id ubigint,               -- the run span; null where it never came
    started_ns bigint not null,
    ended_ns bigint,
    duration_s double,
    outcome varchar not null,           -- success, failure, cancelled, skipped, timed_out, unknown
    state varchar not null,             -- open, closed
    settled_outcome varchar,            -- what the outcome becomes if no run span comes
    branch varchar,
    revision varchar,
    environment varchar,
    host_class varchar,
    model varchar,                      -- the model with the most tokens
    input_size double,
    steps integer not null,             -- distinct steps
    retries integer not null,           -- attempts beyond the first
    cost_usd double,
    cost_source varchar,                -- stated, user, bundled
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    reasoning_tokens bigint,
    api_calls bigint,
    peak_memory_bytes bigint,
    mean_memory_bytes bigint,
    cpu_s double,
    disk_read_bytes bigint,
    disk_write_bytes bigint,
    sampled boolean,                    -- memory, CPU and disk come from metric points, not from the run span
    quality_score double,
    items double,
    error varchar,
    error_type varchar,
    error_fingerprint varchar,
    rule varchar not null,              -- which rule of config/conventions recognised it
    attributes varchar                  -- JSON object of what else the run span said
);

create table step_rows (
    run_key varchar not null,
    pipeline varchar not null,
    step varchar not null,
    attempt integer not null,           -- 1 is the first
    last_attempt boolean not null,      -- only the last attempt counts for outcomes and series
    span_id ubigint,
    parent_step varchar,
    started_ns bigint not null,
    ended_ns bigint,
    duration_s double,
    outcome varchar not null,
    model varchar,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd double,
    error varchar,
    error_type varchar
);

create table model_calls (
    run_key varchar not null,
    step varchar,
    span_id ubigint not null,
    started_ns bigint not null,
    duration_s double,
    model varchar,
    provider varchar,
    operation varchar,
    outcome varchar not null,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens bigint,
    cost_usd double,
    cost_source varchar
);

create table quality_scores (
    run_key varchar not null,
    step varchar,
    name varchar not null,
    score double,
    label varchar,
    at_ns bigint not null
);

-- Traces that got spans or log records which no derivation has looked at yet, and their extent.
create table pending_traces (
    trace_hi ubigint not null,
    trace_lo ubigint not null,
    from_ns bigint not null,
    to_ns bigint not null,
    quiet boolean not null              -- nothing but plain request instrumentation
);

-- Resources that got metric points which no derivation has looked at yet, and their extent.
create table pending_resources (
    resource_id ubigint not null,
    from_ns bigint not null,
    to_ns bigint not null
);

-- Runs, steps and what belongs to them: derived from telemetry, always recomputable.

create table runs (
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
    quality_score double,
    items double,
    error varchar,
    error_type varchar,
    error_fingerprint varchar,
    rule varchar not null,              -- which rule of config/conventions recognised it
    attributes varchar                  -- JSON object of what else the run span said
);

create table steps (
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

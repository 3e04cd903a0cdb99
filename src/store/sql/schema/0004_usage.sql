-- What things cost by whose word, what a run says of itself and of its machine, which run a point belongs to.

-- What a run's own span says, without payloads; the machine by its parts.
alter table span_facts add column attributes varchar;        -- JSON object; only of what may be a run
alter table span_facts add column cpu_model varchar;
alter table span_facts add column cpu_cores bigint;
alter table span_facts add column host_memory_bytes bigint;
alter table span_facts add column runner varchar;

alter table resource_facts add column cpu_model varchar;
alter table resource_facts add column cpu_cores bigint;
alter table resource_facts add column host_memory_bytes bigint;
alter table resource_facts add column runner varchar;
alter table resource_facts add column process varchar;       -- the same for every resource of one process

alter table run_rows add column cpu_model varchar;
alter table run_rows add column cpu_cores bigint;
alter table run_rows add column host_memory_bytes bigint;
alter table run_rows add column runner varchar;
alter table run_rows add column cache_write_tokens bigint;
alter table run_rows add column unpriced_calls bigint;       -- model calls whose cost nobody knows: the sum is without them

alter table step_rows add column cached_tokens bigint;
alter table step_rows add column cache_write_tokens bigint;
alter table step_rows add column reasoning_tokens bigint;
alter table step_rows add column api_calls bigint;
alter table step_rows add column cost_source varchar;        -- stated, user, bundled; mixed
alter table step_rows add column unpriced_calls bigint;
alter table step_rows add column error_fingerprint varchar;

alter table model_calls add column step_span_id ubigint;     -- the attempt of the step that it belongs to
alter table model_calls add column step_started_ns bigint;
alter table model_calls add column is_sum boolean;           -- usage that a run states as a whole: no single call, never priced
alter table model_calls add column is_cache_beside boolean;  -- cached tokens were stated beside the input, not in it: summed

-- Which run a metric point belongs to; written with the run, so that nobody has to search for it.
create table point_run_rows (
    run_key varchar not null,
    resource_id ubigint not null,
    point_key ubigint not null,
    time_ns bigint not null
);

-- Question: which errors made runs and steps fail, how often, since when?
-- One row a fingerprint: errors that differ only in ids, numbers and quoted text are one.
create or replace view errors as
with
failed as (
    select r.error_fingerprint, r.error_type, r.error, r.pipeline, null::varchar as step, r.run_key, r.run_id, r.started_ns
    from run_rows as r
    where r.error_fingerprint is not null
    union all
    select s.error_fingerprint, s.error_type, s.error, s.pipeline, s.step, s.run_key, r.run_id, s.started_ns
    from step_rows as s
    join run_rows as r on r.run_key = s.run_key
    where s.error_fingerprint is not null
)
select
    error_fingerprint,
    pipeline,
    step,
    any_value(error_type) as error_type,
    arg_max(error, (started_ns, run_key)) as error,
    count(distinct run_key) as runs,
    count(*) as failures,
    make_timestamp_ns(min(started_ns)) as first_seen,
    make_timestamp_ns(max(started_ns)) as last_seen,
    arg_max(run_id, (started_ns, run_key)) as last_run_id
from failed
group by error_fingerprint, pipeline, step
order by last_seen desc, error_fingerprint, pipeline, step;

-- Question: how are the durations of runs and steps distributed, in buckets that a histogram shows?
-- Needs: nothing
-- One row per pipeline (and step) and bucket that holds something: its upper bound, how many fell into
-- it, their sum, and one run of it as an exemplar.
with
bounds as (
    select unnest([0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 14400, 86400]) as bound
),
timed as (
    select pipeline, coalesce(service, '') as service, null as step, duration_s, trace_hi, trace_lo, started_ns
    from run_rows
    where state = 'closed' and duration_s is not null
    union all
    select s.pipeline, coalesce(r.service, ''), s.step, s.duration_s, r.trace_hi, r.trace_lo, s.started_ns
    from step_rows as s
    join run_rows as r on r.run_key = s.run_key
    where r.state = 'closed' and s.duration_s is not null and s.last_attempt
),
placed as (
    select t.*, (select min(bound) from bounds where bound >= t.duration_s) as bound
    from timed as t
)
select
    pipeline,
    service,
    step,
    bound,
    count(*) as run_count,
    sum(duration_s) as duration_sum_s,
    max_by(duration_s, started_ns) as exemplar_s,
    max(started_ns) / 1e9 as exemplar_at_s,
    max_by(format('{:016x}{:016x}', trace_hi, trace_lo), started_ns) as exemplar_trace_id
from placed
group by pipeline, service, step, bound
order by pipeline, service, step nulls first, bound nulls last

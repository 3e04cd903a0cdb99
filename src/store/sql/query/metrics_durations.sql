-- Question: how are the durations of runs and steps distributed, in buckets that a histogram shows?
-- Needs: nothing
-- One row per pipeline (and step) and bucket that holds something: its upper bound, how many fell into
-- it, their sum, and one run of it as an exemplar.
with
closed as (
    select run_key, coalesce(service, '') as service
    from run_rows
    where state = 'closed'
),
timed as (
    select pipeline, coalesce(service, '') as service, null as step, duration_s, run_key, started_ns
    from run_rows
    where state = 'closed' and duration_s is not null
    union all
    select s.pipeline, c.service, s.step, s.duration_s, s.run_key, s.started_ns
    from step_rows as s
    join closed as c on c.run_key = s.run_key
    where s.duration_s is not null and s.last_attempt
),
placed as (
    select
        *,
        case
            when duration_s <= 0.01 then 0.01
            when duration_s <= 0.05 then 0.05
            when duration_s <= 0.1 then 0.1
            when duration_s <= 0.5 then 0.5
            when duration_s <= 1 then 1
            when duration_s <= 5 then 5
            when duration_s <= 10 then 10
            when duration_s <= 30 then 30
            when duration_s <= 60 then 60
            when duration_s <= 300 then 300
            when duration_s <= 600 then 600
            when duration_s <= 1800 then 1800
            when duration_s <= 3600 then 3600
            when duration_s <= 14400 then 14400
            when duration_s <= 86400 then 86400
        end as bound
    from timed
),
counted as (
    select
        pipeline,
        service,
        step,
        bound,
        count(*) as run_count,
        sum(duration_s) as duration_sum_s,
        max_by(duration_s, started_ns) as exemplar_s,
        max(started_ns) as exemplar_at_ns,
        max_by(run_key, started_ns) as exemplar_key
    from placed
    group by pipeline, service, step, bound
)
select
    c.pipeline,
    c.service,
    c.step,
    cast(c.bound as double) as bound,
    c.run_count,
    c.duration_sum_s,
    c.exemplar_s,
    c.exemplar_at_ns / 1e9 as exemplar_at_s,
    format('{:016x}{:016x}', r.trace_hi, r.trace_lo) as exemplar_trace_id
from counted as c
join run_rows as r on r.run_key = c.exemplar_key
order by c.pipeline, c.service, c.step nulls first, c.bound nulls last

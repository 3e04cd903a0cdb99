-- Question: how do the steps of the median and of the slowest recent run follow one another?
-- Needs: $pipeline (null: all), $recent_count (newest finished runs looked at), $bar_count_max (steps of a run)
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($recent_count as bigint) as recent_count,
        cast($bar_count_max as bigint) as bar_count_max
),
numbered as (
    select
        r.run_key,
        r.run_id,
        r.pipeline,
        r.service,
        r.started_ns,
        r.duration_s,
        row_number() over (partition by r.pipeline, r.service order by r.started_ns desc, r.run_key desc) as newest
    from run_rows as r, input
    where r.state = 'closed'
        and r.steps > 0
        and r.duration_s is not null
        and r.outcome in ('success', 'unknown')
        and (input.pipeline is null or r.pipeline = input.pipeline)
),
ranked as (
    select
        n.*,
        row_number() over (partition by n.pipeline, n.service order by n.duration_s, n.run_key) as rank,
        count(*) over (partition by n.pipeline, n.service) as of_count
    from numbered as n, input
    where n.newest <= input.recent_count
),
chosen as (
    select *, 'median run' as label, 1 as side from ranked where rank = (of_count + 1) // 2
    union all
    select *, 'slowest run' as label, 2 as side from ranked where rank = of_count and of_count > 1
),
bars as (
    select
        c.pipeline,
        c.service,
        c.label,
        c.side,
        c.run_id,
        c.started_ns,
        c.duration_s as run_duration_s,
        s.step,
        s.parent_step as parent,
        (s.started_ns - c.started_ns) / 1e9 as start_s,
        s.duration_s,
        s.outcome,
        s.attempt,
        row_number() over (partition by c.run_key, c.side order by s.started_ns, s.duration_s desc, s.step, s.attempt)
            as place
    from chosen as c
    join step_rows as s on s.run_key = c.run_key
    where s.duration_s is not null
)
select bars.* exclude (side, place)
from bars
where place <= (select input.bar_count_max from input)
order by pipeline, service nulls first, side, place

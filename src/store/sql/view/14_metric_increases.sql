-- Question: by how much did each counter and histogram grow from point to point?
-- A delta is its own growth. A cumulative series grows by the difference to the point before it; where it
-- started anew (a later start, or a value that fell) it grew by what it holds. The first point of a series
-- grows from its start, where that is told.
create or replace view metric_increases as
with
read as (
    select
        p.*,
        md5(concat_ws('|', p.resource_id, p.scope_id, p.name, coalesce(p.attributes, ''))) as series,
        coalesce(p.value, p.sum) as amount
    from point_rows as p
    where p.type in ('sum', 'histogram', 'exponential_histogram', 'summary') and coalesce(p.flags, 0) % 2 = 0
),
before as (
    select
        *,
        lag(time_ns) over points as before_ns,
        lag(start_ns) over points as before_start_ns,
        lag(amount) over points as before_amount,
        lag(count) over points as before_count
    from read
    window points as (partition by series order by time_ns)
),
judged as (
    select
        *,
        case
            when temporality = 1 then 'delta'
            when before_ns is null then 'first'
            when coalesce(start_ns > before_ns, false) then 'reset'
            when coalesce(count < before_count, coalesce(monotonic, false) and amount < before_amount, false) then 'reset'
            else 'growth'
        end as step
    from before
)
select
    j.name,
    j.unit,
    j.type,
    make_timestamp_ns(case when j.step = 'growth' then j.before_ns else coalesce(j.start_ns, j.before_ns) end) as from_time,
    make_timestamp_ns(j.time_ns) as "time",
    j.step = 'reset' as is_reset,
    case when j.step = 'growth' then j.amount - j.before_amount else j.amount end as increase,
    case when j.step = 'growth' then j.count - j.before_count else j.count end as count_increase,
    cast(coalesce(j.attributes, '{}') as json) as attributes,
    r.service,
    k.pipeline,
    k.run_id,
    k.run_key
from judged as j
left join resources as r on r.resource_id = j.resource_id
left join point_run_rows as b on b.point_key = j.point_key and b.time_ns = j.time_ns
left join run_rows as k on k.run_key = b.run_key;

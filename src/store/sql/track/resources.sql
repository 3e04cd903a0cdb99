-- Question: how did the newest run of each pipeline that was sampled use CPU, memory and disk while it went on?
-- Needs: $pipeline (null: all), $recent_count (newest runs looked at), $sample_count_max (samples of a run)
-- Which run a point belongs to is known: a run id may be that of another pipeline's run as well. Processes report at
-- moments of their own, and each counter is read by itself before they are added up; what one adds between two
-- readings is shared out over the moments in between. A counter that began anew says nothing of that stretch.
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($recent_count as bigint) as recent_count,
        cast($sample_count_max as bigint) as sample_count_max
),
numbered as (
    select
        r.run_key,
        r.run_id,
        r.pipeline,
        r.service,
        r.started_ns,
        r.started_ns - 1000000000 as from_ns,
        coalesce(r.ended_ns, r.started_ns) + 1000000000 as to_ns,
        row_number() over (partition by r.pipeline, r.service order by r.started_ns desc, r.run_key desc) as newest
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
),
recent as (
    select n.* from numbered as n, input where n.newest <= input.recent_count
),
heard as (
    select distinct b.run_key
    from point_run_rows as b
    join recent as r on r.run_key = b.run_key and b.time_ns between r.from_ns and r.to_ns
),
-- Not every point is one of a process: a few runs, so that one of them has such points.
candidates as (
    select r.*
    from recent as r
    join heard as h on h.run_key = r.run_key
    qualify row_number() over (partition by r.pipeline, r.service order by r.newest) <= 5
),
readings as (
    select
        c.run_key,
        c.pipeline,
        c.service,
        c.newest,
        n.figure,
        p.resource_id,
        p.time_ns,
        p.start_ns,
        p.temporality,
        coalesce(p.value, p.value_int) as value,
        coalesce(p.attributes, '') as attributes,
        coalesce((p.attributes ->> 'direction'), (p.attributes ->> 'disk.io.direction')) as direction
    from candidates as c
    join point_run_rows as b on b.run_key = c.run_key and b.time_ns between c.from_ns and c.to_ns
    join point_rows as p on p.point_key = b.point_key and p.time_ns = b.time_ns
    join resource_names as n
        on n.name = p.name and n.scope = 'process' and n.figure in ('memory', 'cpu', 'disk')
    where coalesce(p.value, p.value_int) is not null
        and (n.state is null or (p.attributes ->> 'type') = n.state)
    qualify n.rank = min(n.rank) over (partition by c.run_key, p.resource_id, n.figure)
),
chosen as (
    select pipeline, service, min(newest) as newest
    from readings
    group by pipeline, service
),
stretches as (
    select
        r.run_key,
        r.figure,
        r.resource_id,
        r.attributes,
        r.direction,
        r.value,
        -- A gauge, or a counter's first reading, stands for its moment.
        least(
            coalesce(
                case when r.temporality = 1 then nullif(r.start_ns, 0) else lag(r.time_ns) over series end,
                r.time_ns - 1
            ),
            r.time_ns - 1
        ) as from_ns,
        r.time_ns as to_ns,
        case
            when r.temporality = 1 then r.value
            when r.value >= lag(r.value) over series then r.value - lag(r.value) over series
        end as increase
    from readings as r
    join chosen as c
        on c.pipeline = r.pipeline and c.service is not distinct from r.service and c.newest = r.newest
    window series as (partition by r.run_key, r.figure, r.resource_id, r.attributes order by r.time_ns)
),
moments as (
    select
        run_key,
        to_ns as time_ns,
        min(to_ns) over (partition by run_key) - 1 as first_ns,
        row_number() over (partition by run_key order by to_ns desc) - 1 as place,
        count(*) over (partition by run_key) as of_count
    from (select distinct run_key, to_ns from stretches)
),
cells as (
    select
        m.run_key,
        m.time_ns,
        coalesce(lag(m.time_ns) over (partition by m.run_key order by m.time_ns), m.first_ns) as before_ns
    from moments as m, input
    where m.place % greatest(1, (m.of_count + input.sample_count_max - 1) // input.sample_count_max) = 0
),
-- Of each process and counter; of the readings of a gauge within a cell the largest.
shares as (
    select
        c.run_key,
        c.time_ns,
        c.before_ns,
        s.figure,
        s.direction,
        max(s.value) as value,
        sum(
            s.increase
            * (least(s.to_ns, c.time_ns) - greatest(s.from_ns, c.before_ns))
            / (s.to_ns - s.from_ns)
        ) as increase
    from cells as c
    join stretches as s on s.run_key = c.run_key and s.from_ns < c.time_ns and s.to_ns > c.before_ns
    group by c.run_key, c.time_ns, c.before_ns, s.figure, s.direction, s.resource_id, s.attributes
)
select
    r.pipeline,
    r.service,
    r.run_id,
    (s.time_ns - r.started_ns) / 1e9 as at_s,
    sum(s.increase) filter (s.figure = 'cpu') / ((s.time_ns - s.before_ns) / 1e9) as cpu_cores,
    sum(s.value) filter (s.figure = 'memory') as memory_bytes,
    sum(s.increase) filter (s.figure = 'disk' and s.direction = 'read') as disk_read_bytes,
    sum(s.increase) filter (s.figure = 'disk' and s.direction = 'write') as disk_write_bytes
from shares as s
join recent as r on r.run_key = s.run_key
group by r.pipeline, r.service, r.run_id, r.started_ns, s.time_ns, s.before_ns
order by r.pipeline, r.service nulls first, s.time_ns

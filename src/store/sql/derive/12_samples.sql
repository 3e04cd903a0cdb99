-- Question: what did each run use of memory, CPU and disk, and each step of memory and CPU, where its own span does not
-- say?
-- Needs: derive_sampled (11): runs and the resources that speak for them
-- Leaves: runs and steps with the figures filled in; temp table derive_figures.

-- What is no number, or more bytes than 64 bits count, is no reading.
-- Points are exported every minute or so: two minutes around hold the neighbours.
set variable derive_from_ns = (select coalesce(min(started_ns), 0) - 120000000000 from derive_sampled);
set variable derive_to_ns = (select coalesce(max(ended_ns), 0) + 120000000000 from derive_sampled);

create or replace temp table derive_points as
select
    n.figure,
    n.rank,
    p.resource_id,
    p.time_ns,
    p.start_ns,
    p.temporality,
    coalesce(p.value, p.value_int) as value,
    coalesce(p.attributes, '') as attributes,
    coalesce((p.attributes ->> 'direction'), (p.attributes ->> 'disk.io.direction')) as direction
from point_rows as p
inner join resource_names as n on n.name = p.name and n.scope = 'process' and n.figure in ('memory', 'cpu', 'disk')
where p.resource_id in (select resource_id from derive_sampled)
    and p.time_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
    and isfinite(coalesce(p.value, p.value_int::double))
    and (n.state is null or (p.attributes ->> 'type') = n.state)
qualify n.rank = min(n.rank) over (partition by p.resource_id, n.figure);

-- Counters as increases over intervals; a counter that falls was reset.
create or replace temp table derive_increases as
with before as (
    select
        *,
        lag(time_ns) over series as before_ns,
        lag(value) over series as before_value
    from derive_points
    where figure in ('cpu', 'disk')
    window series as (partition by figure, resource_id, attributes order by time_ns)
)
select *
from (
    select
        figure,
        resource_id,
        direction,
        case when temporality = 1 then start_ns else coalesce(before_ns, start_ns) end as from_ns,
        time_ns as to_ns,
        case when temporality = 1 or before_value is null or value < before_value then value else value - before_value end
            as increase
    from before
)
where from_ns > 0 and to_ns > from_ns;

create or replace temp table derive_figures as
with
-- A run shorter than the interval of export has its reading in the first point after it.
reach as (
    select
        s.run_key,
        s.resource_id,
        s.started_ns,
        case when p.time_ns <= s.ended_ns + 120000000000 then p.time_ns else s.ended_ns end as until_ns
    from derive_sampled as s
    asof left join (select resource_id, time_ns from derive_points where figure = 'memory') as p
        on p.resource_id = s.resource_id and p.time_ns >= s.ended_ns
),
moments as (
    select r.run_key, p.resource_id, p.time_ns, sum(p.value order by p.value) as bytes
    from reach as r
    inner join derive_points as p
        on p.figure = 'memory' and p.resource_id = r.resource_id and p.time_ns between r.started_ns and r.until_ns
    group by r.run_key, p.resource_id, p.time_ns
),
memory as (
    select run_key, max(bytes) as peak, avg(bytes order by bytes) as mean
    from moments
    group by run_key
),
shares as (
    select
        s.run_key,
        i.figure,
        i.direction,
        i.increase * (least(i.to_ns, s.ended_ns) - greatest(i.from_ns, s.started_ns)) / (i.to_ns - i.from_ns) as share
    from derive_sampled as s
    inner join derive_increases as i
        on i.resource_id = s.resource_id and i.from_ns < s.ended_ns and i.to_ns > s.started_ns
)
select
    k.run_key,
    try_cast(any_value(m.peak) as bigint) as peak,
    try_cast(any_value(m.mean) as bigint) as mean,
    sum(s.share order by s.share) filter (where s.figure = 'cpu') as cpu_s,
    try_cast(sum(s.share order by s.share) filter (where s.figure = 'disk' and s.direction = 'read') as bigint) as disk_read,
    try_cast(sum(s.share order by s.share) filter (where s.figure = 'disk' and s.direction = 'write') as bigint) as disk_write
from (select distinct run_key from derive_sampled) as k
left join memory as m using (run_key)
left join shares as s using (run_key)
group by k.run_key;

-- What the run's own span says stays: it was measured closer by.
update run_rows
set
    peak_memory_bytes = case when sampled then f.peak else coalesce(peak_memory_bytes, f.peak) end,
    mean_memory_bytes = case when sampled then f.mean else coalesce(mean_memory_bytes, f.mean) end,
    cpu_s = case when sampled then f.cpu_s else coalesce(run_rows.cpu_s, f.cpu_s) end,
    disk_read_bytes = case when sampled then f.disk_read else coalesce(disk_read_bytes, f.disk_read) end,
    disk_write_bytes = case when sampled then f.disk_write else coalesce(disk_write_bytes, f.disk_write) end
from derive_figures as f
where f.run_key = run_rows.run_key
    and run_rows.started_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
    and coalesce(f.peak, f.cpu_s, f.disk_read, f.disk_write) is not null;

-- A step has what its process used while it went on: steps beside each other in one process share it. Nothing is told
-- of a step without a reading of its own: of memory one within it; of CPU two, so that what lies between was measured.
create or replace temp table derive_step_figures as
with
measured as (
    select p.resource_id, coalesce(o.resource_id, p.resource_id) as own_id
    from (select distinct resource_id from derive_points) as p
    left join derive_process as d using (resource_id)
    left join derive_process as o on o.process = d.process
),
taken as (
    select t.run_key, t.span_id, t.started_ns, t.ended_ns, m.resource_id
    from step_rows as t
    inner join measured as m on m.own_id = t.resource_id
    where t.run_key in (select run_key from derive_sampled)
        and t.sampled
        and t.ended_ns > t.started_ns
        and t.started_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
),
moments as (
    select t.run_key, t.span_id, t.started_ns, p.resource_id, p.time_ns, sum(p.value order by p.value) as bytes
    from taken as t
    inner join derive_points as p
        on p.figure = 'memory' and p.resource_id = t.resource_id and p.time_ns between t.started_ns and t.ended_ns
    group by t.run_key, t.span_id, t.started_ns, p.resource_id, p.time_ns
),
memory as (
    select run_key, span_id, started_ns, max(bytes) as peak
    from moments
    group by run_key, span_id, started_ns
),
shares as (
    select
        t.run_key,
        t.span_id,
        t.started_ns,
        i.to_ns,
        i.to_ns <= t.ended_ns as is_within,
        i.increase * (least(i.to_ns, t.ended_ns) - greatest(i.from_ns, t.started_ns)) / (i.to_ns - i.from_ns) as share
    from taken as t
    inner join derive_increases as i
        on i.figure = 'cpu' and i.resource_id = t.resource_id and i.from_ns < t.ended_ns and i.to_ns > t.started_ns
),
cpu as (
    select run_key, span_id, started_ns, sum(share order by share) as cpu_s
    from shares
    group by run_key, span_id, started_ns
    having count(distinct to_ns) filter (where is_within) >= 2
)
select run_key, span_id, started_ns, try_cast(m.peak as bigint) as peak, c.cpu_s
from memory as m
full join cpu as c using (run_key, span_id, started_ns);

update step_rows
set peak_memory_bytes = f.peak, cpu_s = f.cpu_s
from derive_step_figures as f
where f.run_key = step_rows.run_key
    and f.span_id = step_rows.span_id
    and f.started_ns = step_rows.started_ns
    and step_rows.started_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns');

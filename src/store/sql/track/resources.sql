-- Question: how did the newest run of each pipeline that was sampled use CPU, memory and disk while it went on?
-- Needs: $pipeline (null: all), $recent_count (newest runs looked at), $sample_count_max (samples of a run)
-- A point names its run, else its resource does; counters are told as what was added since the sample before,
-- unknown where a counter began anew.
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
        coalesce(r.ended_ns, r.started_ns) as ended_ns,
        row_number() over (partition by r.pipeline, r.service order by r.started_ns desc, r.run_key desc) as newest
    from run_rows as r, input
    where r.state = 'closed' and (input.pipeline is null or r.pipeline = input.pipeline)
),
recent as (
    select n.* from numbered as n, input where n.newest <= input.recent_count
),
sampled as (
    select
        p.time_ns,
        p.name,
        coalesce(p.value, p.value_int) as value,
        json_extract_string(p.attributes, '$."disk.io.direction"') as direction,
        coalesce(
            json_extract_string(p.attributes, '$."perfline.run.id"'),
            json_extract_string(p.attributes, '$."cicd.pipeline.run.id"'),
            f.run_id
        ) as run_id
    from point_rows as p
    left join resource_facts as f on f.resource_id = p.resource_id
    where p.name in ('process.cpu.time', 'process.memory.usage', 'process.disk.io')
        and p.time_ns >= (select min(started_ns) from recent)
),
matched as (
    select r.run_key, r.pipeline, r.service, r.newest, r.run_id, r.started_ns, s.time_ns, s.name, s.direction, s.value
    from sampled as s
    join recent as r
        on r.run_id = s.run_id
        and s.time_ns between r.started_ns - 1000000000 and r.ended_ns + 1000000000
),
chosen as (
    select pipeline, service, min(newest) as newest
    from matched
    group by pipeline, service
),
wide as (
    select
        m.pipeline,
        m.service,
        m.run_id,
        m.started_ns,
        m.time_ns,
        sum(m.value) filter (m.name = 'process.cpu.time') as cpu_s,
        sum(m.value) filter (m.name = 'process.memory.usage') as memory_bytes,
        sum(m.value) filter (m.name = 'process.disk.io' and m.direction = 'read') as read_bytes,
        sum(m.value) filter (m.name = 'process.disk.io' and m.direction = 'write') as write_bytes
    from matched as m
    join chosen as c
        on c.pipeline = m.pipeline and c.service is not distinct from m.service and c.newest = m.newest
    group by m.pipeline, m.service, m.run_id, m.started_ns, m.time_ns
),
rated as (
    select
        *,
        (cpu_s - lag(cpu_s) over in_time) / nullif((time_ns - lag(time_ns) over in_time) / 1e9, 0) as cpu_cores,
        read_bytes - lag(read_bytes) over in_time as disk_read_bytes,
        write_bytes - lag(write_bytes) over in_time as disk_write_bytes,
        row_number() over in_time as place,
        count(*) over (partition by pipeline, service) as of_count
    from wide
    window in_time as (partition by pipeline, service order by time_ns)
)
select
    r.pipeline,
    r.service,
    r.run_id,
    (r.time_ns - r.started_ns) / 1e9 as at_s,
    case when r.cpu_cores >= 0 then r.cpu_cores end as cpu_cores,
    r.memory_bytes,
    case when r.disk_read_bytes >= 0 then r.disk_read_bytes end as disk_read_bytes,
    case when r.disk_write_bytes >= 0 then r.disk_write_bytes end as disk_write_bytes
from rated as r, input
where (r.place - 1) % greatest(1, (r.of_count + input.sample_count_max - 1) // input.sample_count_max) = 0
order by r.pipeline, r.service nulls first, r.time_ns

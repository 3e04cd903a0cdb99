-- Question: how did a run use memory, CPU and disk while it went on?
create or replace view resource_samples as
select
    b.run_key,
    k.run_id,
    k.pipeline,
    make_timestamp_ns(p.time_ns) as "time",
    p.name,
    p.unit,
    p.value,
    cast(coalesce(p.attributes, '{}') as json) as attributes
from point_rows as p
join point_runs as b on b.point_key = p.point_key and b.time_ns = p.time_ns
join run_rows as k on k.run_key = b.run_key
where p.name like 'process.%' or p.name like 'system.%';

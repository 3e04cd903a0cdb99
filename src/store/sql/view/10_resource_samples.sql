-- Question: how did a run, and the host that it ran on, use memory, CPU and disk while it went on?
-- Figure: one word for every spelling of a metric's name. Scope: the process's own figure, or the whole host's.
create or replace view resource_samples as
select
    b.run_key,
    k.run_id,
    k.pipeline,
    make_timestamp_ns(p.time_ns) as "time",
    p.name,
    p.unit,
    p.value,
    cast(coalesce(p.attributes, '{}') as json) as attributes,
    n.figure,
    coalesce(n.scope, case when p.name like 'system.%' then 'host' else 'process' end) as scope,
    ['unspecified', 'delta', 'cumulative'][least(p.temporality, 2) + 1] as temporality
from point_rows as p
join point_run_rows as b on b.point_key = p.point_key and b.time_ns = p.time_ns
join run_rows as k on k.run_key = b.run_key
left join resource_names as n on n.name = p.name
where n.name is not null
    or p.name like 'process.%'
    or p.name like 'system.%'
    or p.name like 'jvm.%'
    or p.name like 'cpython.%'
    or p.name like 'container.%'
    or p.name like 'k8s.pod.%'
    or p.name like 'dotnet.%'
    or p.name like 'go.%'
    or p.name like 'nodejs.%'
    or p.name like 'v8js.%';

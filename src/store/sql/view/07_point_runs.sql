-- Question: which run does each metric point belong to?
-- By a run id in its own attributes or its resource's, else by the process that sent it: a run of the
-- same service instance that was under way when the point was taken.
create or replace view point_runs as
with
named as (
    select
        p.point_key,
        p.time_ns,
        p.resource_id,
        coalesce(
            json_extract_string(p.attributes, '$."perfline.run.id"'),
            json_extract_string(p.attributes, '$."cicd.pipeline.run.id"'),
            f.run_id
        ) as run_id
    from point_rows as p
    left join resource_facts as f on f.resource_id = p.resource_id
),
by_id as (
    select n.point_key, n.time_ns, max(k.run_key) as run_key
    from named as n
    join run_rows as k
        on k.run_id = n.run_id
        and n.time_ns between k.started_ns - 60000000000 and coalesce(k.ended_ns, k.started_ns) + 60000000000
    group by n.point_key, n.time_ns
),
by_process as (
    select n.point_key, n.time_ns, max_by(k.run_key, k.started_ns) as run_key
    from named as n
    join run_resources as o on o.resource_id = n.resource_id
    join run_rows as k
        on k.run_key = o.run_key
        and n.time_ns between k.started_ns and coalesce(k.ended_ns, k.started_ns) + 1000000000
    where n.run_id is null
    group by n.point_key, n.time_ns
)
select * from by_id
union all
select * from by_process;

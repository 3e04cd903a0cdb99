-- Question: which run does each metric point belong to, of those that may have changed?
-- Needs: derive_new (01, 10); touched_resources (00): resources that got metric points, and their extent
-- Leaves: point_run_rows rewritten where runs or points came; temp table derive_sampled: the runs to measure
--         again, with the resources that speak for them.

-- A process is known by what its resources say of it, else it is its resource. Two minutes around hold what
-- is exported after a run, or before its spans come.
create or replace temp table derive_reach as
with
fresh as (
    select
        u.resource_id,
        r.started_ns - 60000000000 as from_ns,
        coalesce(r.ended_ns, r.started_ns) + 120000000000 as to_ns
    from derive_new as n
    inner join run_rows as r using (run_key)
    inner join run_resources as u using (run_key)
    union all
    -- Metrics of a process that sends no spans, but names the run.
    select
        f.resource_id,
        r.started_ns - 60000000000,
        coalesce(r.ended_ns, r.started_ns) + 120000000000
    from derive_new as n
    inner join run_rows as r using (run_key)
    inner join resource_facts as f on f.run_id = r.run_id
    union all
    -- Points that name the run themselves, whoever sends them, and may have come before it.
    select
        p.resource_id,
        greatest(p.first_ns, r.started_ns - 60000000000),
        least(p.last_ns, coalesce(r.ended_ns, r.started_ns) + 120000000000)
    from derive_new as n
    inner join run_rows as r using (run_key)
    inner join named_points as p
        on p.run_id = r.run_id
        and p.last_ns >= r.started_ns - 60000000000
        and p.first_ns <= coalesce(r.ended_ns, r.started_ns) + 120000000000
    where p.last_ns >= getvariable('derive_from_ns') and p.first_ns <= getvariable('derive_to_ns')
    union all
    select resource_id, from_ns, to_ns
    from touched_resources
),
named as (
    select
        coalesce(f.process, 'resource ' || e.resource_id) as process,
        e.from_ns,
        e.to_ns
    from fresh as e
    left join (select distinct on (resource_id) resource_id, process from resource_facts) as f using (resource_id)
),
parted as (
    select
        *,
        coalesce(from_ns > max(to_ns) over (
            partition by process order by from_ns, to_ns rows between unbounded preceding and 1 preceding
        ), true) as is_new
    from named
),
numbered as (
    select *, count(*) filter (where is_new) over (partition by process order by from_ns, to_ns) as part
    from parted
)
select process, min(from_ns) as from_ns, max(to_ns) as to_ns
from numbered
group by process, part;

set variable derive_from_ns = (select coalesce(min(from_ns), 0) from derive_reach);
set variable derive_to_ns = (select coalesce(max(to_ns), -1) from derive_reach);

create or replace temp table derive_process as
select distinct resource_id, process
from resource_facts
where process in (select process from derive_reach)
union
select cast(substr(process, 10) as ubigint), process
from derive_reach
where process like 'resource %' and try_cast(substr(process, 10) as ubigint) is not null;

-- What a point may name its run by: the attributes of the conventions, and what metrics are seen to use.
set variable derive_run_ids = list_concat(
    [
        'perfline.run.id', 'cicd.pipeline.run.id', 'airflow.dag_run.run_id', 'dagster.run_id', 'prefect.run.id',
        'prefect.flow-run.id', 'run_id', 'run.id'
    ],
    getvariable('run_id_keys')
);
set variable derive_run_id_paths = list_transform(getvariable('derive_run_ids'), lambda key : '$."' || key || '"');
-- Few points name a run: their text is looked at before it is read as JSON.
set variable derive_run_id_pattern = '"(' || array_to_string(
    list_transform(getvariable('derive_run_ids'), lambda key : regexp_escape(key)), '|'
) || ')":';

create or replace temp table derive_readings as
with
near as (
    select p.point_key, p.time_ns, p.resource_id, d.process, p.attributes, f.run_id
    from point_rows as p
    inner join derive_process as d using (resource_id)
    left join (select distinct on (resource_id) resource_id, run_id from resource_facts) as f using (resource_id)
    where p.time_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
)
select
    point_key,
    time_ns,
    resource_id,
    process,
    own_run_id,
    coalesce(own_run_id, run_id) as run_id
from (
    select
        n.*,
        case
            when regexp_matches(n.attributes, getvariable('derive_run_id_pattern'))
                then list_extract(list_filter(
                    json_extract_string(n.attributes, getvariable('derive_run_id_paths')),
                    lambda id : id is not null
                ), 1)
        end as own_run_id
    from near as n
    where exists (
        select 1
        from derive_reach as a
        where a.process = n.process and n.time_ns between a.from_ns and a.to_ns
    )
);

-- Runs that these processes worked for, in that time: of those that have readings, which are few beside the others.
create or replace temp table derive_rivals as
select distinct
    p.process,
    r.run_key,
    r.run_id,
    r.started_ns,
    coalesce(r.ended_ns, r.started_ns) as ended_ns
from run_resources as u
inner join derive_process as p using (resource_id)
inner join run_rows as r using (run_key)
where p.process in (select process from derive_readings)
    and u.first_ns <= getvariable('derive_to_ns')
    and u.last_ns >= getvariable('derive_from_ns')
    and r.started_ns <= getvariable('derive_to_ns')
    and coalesce(r.ended_ns, r.started_ns) >= getvariable('derive_from_ns') - 86400000000000;

insert into named_points by name
select
    n.own_run_id as run_id,
    n.resource_id,
    min(n.time_ns) as first_ns,
    max(n.time_ns) as last_ns
from derive_readings as n
where n.own_run_id is not null
    and not exists (
        select 1
        from named_points as k
        where k.run_id = n.own_run_id
            and k.resource_id = n.resource_id
            and n.time_ns between k.first_ns and k.last_ns
            and k.last_ns >= getvariable('derive_from_ns')
            and k.first_ns <= getvariable('derive_to_ns')
    )
group by n.own_run_id, n.resource_id
order by first_ns, run_id, resource_id;

create or replace temp table derive_point_runs as
with
by_id as (
    select
        n.point_key,
        n.time_ns,
        n.resource_id,
        -- Runs of two pipelines may share an id: first the one that the process itself worked for.
        min_by(k.run_key, (v.run_key is null, abs(n.time_ns - k.started_ns), k.run_key)) as run_key
    from derive_readings as n
    inner join run_rows as k
        on k.run_id = n.run_id
        and n.time_ns between k.started_ns - 60000000000 and coalesce(k.ended_ns, k.started_ns) + 60000000000
    left join derive_rivals as v on v.process = n.process and v.run_key = k.run_key
    where k.started_ns between getvariable('derive_from_ns') - 86400000000000 and getvariable('derive_to_ns') + 86400000000000
    group by n.point_key, n.time_ns, n.resource_id
),
nameless as (
    select n.*
    from derive_readings as n
    where n.run_id is null
),
-- Each run with the one that goes on longest of those of its process that had begun by then.
begun as (
    select
        process,
        run_key,
        started_ns,
        ended_ns,
        max(struct_pack(ended_ns := ended_ns, run_key := run_key)) over (
            partition by process order by started_ns, run_key rows between unbounded preceding and current row
        ) as longest
    from derive_rivals
),
-- The run that started last before the point; where that one was over, the one that goes on longest.
by_process as (
    select
        n.point_key,
        n.time_ns,
        n.resource_id,
        case when n.time_ns <= k.ended_ns + 1000000000 then k.run_key else k.longest.run_key end as run_key
    from nameless as n
    asof inner join begun as k on k.process = n.process and k.started_ns <= n.time_ns
    where n.time_ns <= k.longest.ended_ns + 1000000000
)
select point_key, time_ns, resource_id, run_key from by_id
union all
select point_key, time_ns, resource_id, run_key from by_process;

delete from point_run_rows as p
using derive_readings as n
where p.time_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
    and p.point_key = n.point_key
    and p.time_ns = n.time_ns;

insert into point_run_rows by name
select run_key, resource_id, point_key, time_ns
from derive_point_runs
order by time_ns, run_key, point_key;

create or replace temp table derive_sampled as
with
keys as (
    select run_key from derive_new
    union
    select k.run_key
    from derive_rivals as k
    inner join derive_reach as a
        on a.process = k.process and k.started_ns <= a.to_ns + 120000000000 and k.ended_ns >= a.from_ns - 120000000000
    union
    select run_key from derive_point_runs
),
speaking as (
    select u.run_key, coalesce(o.resource_id, u.resource_id) as resource_id
    from run_resources as u
    semi join keys using (run_key)
    left join derive_process as p using (resource_id)
    left join derive_process as o on o.process = p.process
    union
    select run_key, resource_id from derive_point_runs
)
select
    r.run_key,
    s.resource_id,
    r.started_ns,
    r.ended_ns
from speaking as s
inner join run_rows as r using (run_key)
where r.ended_ns > r.started_ns;

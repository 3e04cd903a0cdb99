-- Question: which attributes are more frequent in the runs since a change than in those before it?
-- Needs: $pipeline, $service, $branch, $environment, $host_class (null: unknown), $since_ns, $run_count (newest runs on
--        either side), $row_count
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($service as varchar) as service,
        cast($branch as varchar) as branch,
        cast($environment as varchar) as environment,
        cast($host_class as varchar) as host_class,
        cast($since_ns as bigint) as since_ns,
        cast($run_count as bigint) as run_count,
        cast($row_count as bigint) as row_count
),
fitting as (
    select
        r.*,
        r.started_ns >= input.since_ns as is_new,
        row_number() over (partition by r.started_ns >= input.since_ns order by r.started_ns desc, r.run_key) as place
    from run_rows as r, input
    where r.state = 'closed'
        and r.pipeline = input.pipeline
        and r.service is not distinct from input.service
        and r.branch is not distinct from input.branch
        and r.environment is not distinct from input.environment
        and r.host_class is not distinct from input.host_class
),
chosen as (
    select f.* from fitting as f, input where f.place <= input.run_count
),
sizes as (
    select count(*) filter (where not is_new) as before, count(*) filter (where is_new) as after from chosen
),
facts as (
    select run_key, is_new, 'model' as attribute, model as value from chosen
    union all
    select run_key, is_new, 'revision', revision from chosen
    union all
    select run_key, is_new, 'outcome', outcome from chosen
    union all
    select run_key, is_new, 'error_type', error_type from chosen
    union all
    select c.run_key, c.is_new, 'failed_step', s.step
    from step_rows as s
    inner join chosen as c on c.run_key = s.run_key
    where s.outcome in ('failure', 'timed_out')
    union all
    select c.run_key, c.is_new, k.key, k.atom ->> '$'
    from chosen as c, json_each(c.attributes) as k
    where c.attributes is not null
),
counted as (
    select
        attribute,
        value,
        count(distinct run_key) filter (where not is_new) as before,
        count(distinct run_key) filter (where is_new) as after
    from facts
    where value is not null
    group by attribute, value
)
select
    c.attribute,
    left(c.value, 200) as value,
    c.before / greatest(s.before, 1) as before,
    c.after / greatest(s.after, 1) as after,
    ((c.after + 0.5) / (s.after + 0.5)) / ((c.before + 0.5) / (s.before + 0.5)) as lift
from counted as c, sizes as s, input
-- What half of the new runs have, and a third more of them than before.
where c.after >= 0.5 * s.after and c.after / greatest(s.after, 1) - c.before / greatest(s.before, 1) >= 0.33
order by lift desc, c.attribute, c.value
limit (select row_count from input)

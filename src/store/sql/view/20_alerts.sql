-- Question: which alerts are there, and where do they stand?
create or replace view alerts as
select
    alert_id,
    state,
    finding ->> 'severity' as severity,
    finding ->> 'pipeline' as pipeline,
    finding ->> 'step' as step,
    finding ->> 'metric' as metric,
    cast(finding ->> 'change_percent' as double) as change_percent,
    finding ->> 'since_run' as since_run,
    finding ->> 'since_time' as since_time,
    make_timestamp_ns(opened_ns) as opened_at,
    make_timestamp_ns(seen_ns) as seen_at,
    make_timestamp_ns(changed_ns) as changed_at,
    make_timestamp_ns(muted_until_ns) as muted_until,
    changed_by,
    note,
    cast(finding as json) as finding,
    finding ->> 'kind' as kind,
    coalesce(json_array_length(members), 0) as moved_with,
    cast(coalesce(members, '[]') as json) as members
from alert_rows;

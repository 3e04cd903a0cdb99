-- Question: what was decided about baselines, by whom and why? The newest version of a series counts.
create or replace view baselines as
select
    series ->> 'pipeline' as pipeline,
    series ->> 'step' as step,
    series ->> 'metric' as metric,
    make_timestamp_ns(since_ns) as since,
    make_timestamp_ns(set_ns) as set_at,
    set_by,
    reason,
    cast(series -> 'context' as json) as context,
    version,
    kind,
    make_timestamp_ns(until_ns) as until,
    version = max(version) over (partition by series) as is_newest
from baseline_versions;

-- Question: which changes were accepted, by whom and why? The newest per series counts.
create or replace view baselines as
select
    series ->> 'pipeline' as pipeline,
    series ->> 'step' as step,
    series ->> 'metric' as metric,
    make_timestamp_ns(since_ns) as since,
    make_timestamp_ns(set_ns) as set_at,
    set_by,
    reason,
    cast(series -> 'context' as json) as context
from baseline_rows;

-- Question: which readings are there, from where, and in which run?
create or replace view metric_points as
select
    make_timestamp_ns(p.time_ns) as "time",
    make_timestamp_ns(p.start_ns) as start_time,
    p.name,
    p.unit,
    p.description,
    p.type,
    ['unspecified', 'delta', 'cumulative'][least(p.temporality, 2) + 1] as temporality,
    p.monotonic,
    p.value,
    p.value_int,
    p.count,
    p.sum,
    p.min,
    p.max,
    p.buckets,
    p.bounds,
    p.scale,
    p.zero_count,
    p.zero_threshold,
    p.positive_offset,
    p.positive,
    p.negative_offset,
    p.negative,
    cast(p.quantiles as json) as quantiles,
    coalesce(p.flags, 0) as flags,
    coalesce(p.flags, 0) % 2 = 1 as no_recorded_value,
    cast(coalesce(p.attributes, '{}') as json) as attributes,
    cast(coalesce(r.attributes, '{}') as json) as resource_attributes,
    cast(coalesce(p.metadata, '{}') as json) as metadata,
    cast(coalesce(p.exemplars, '[]') as json) as exemplars,
    r.service,
    c.name as scope,
    k.pipeline,
    k.run_id,
    b.run_key
from point_rows as p
left join resources as r on r.resource_id = p.resource_id
left join scopes as c on c.scope_id = p.scope_id
left join point_runs as b on b.point_key = p.point_key and b.time_ns = p.time_ns
left join run_rows as k on k.run_key = b.run_key;

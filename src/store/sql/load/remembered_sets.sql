-- Question: which sets of attributes are the newest, newest first?
-- Needs: $count_max (sets at most), $bytes_max (bytes that they may have together)
-- The one with which they get longer than that is among them, so that the newest always is.
with
newest as (
    select set_id, strlen(concat(attributes, name, events)) as bytes
    from span_sets
    order by set_id desc
    limit $count_max
),
summed as (
    select set_id, bytes, sum(bytes) over (order by set_id desc) as total
    from newest
)
select
    set_id,
    attributes,
    [key_1, key_2, key_3, key_4] as keys,
    [format_1, format_2, format_3, format_4] as formats,
    name,
    events
from span_sets
where set_id in (select set_id from summed where total - bytes < $bytes_max)
order by set_id desc

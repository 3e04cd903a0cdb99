-- Question: where is each of these series heading?
-- Needs: $series (JSON array of objects with x and y, arrays of equal length, oldest first)
-- Numbered from 1 in the order in which they were given.
with
given as (
    select unnest(s) as one, generate_subscripts(s, 1) as series
    from (select from_json(cast(cast($series as varchar) as json), '[{"x": ["double"], "y": ["double"]}]') as s)
),
points as (
    select series, generate_subscripts(one.x, 1) as place, unnest(one.x) as x, unnest(one.y) as y
    from given
)
from trend_sums('points')
order by series

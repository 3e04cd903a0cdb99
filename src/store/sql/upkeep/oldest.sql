-- Question: before which time does the given share of what is stored lie?
-- Needs: $share (0 to 1)
with times as (
    select start_ns as ns from span_rows
    union all
    select time_ns from point_rows
    union all
    select time_ns from log_rows
)
select cast(quantile_disc(ns, cast($share as double)) as bigint) as ns
from times

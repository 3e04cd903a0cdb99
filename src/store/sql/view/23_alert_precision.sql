-- Question: of the alerts that people judged, how many were real?
-- Real: acknowledged, resolved by a person, or accepted as the new baseline. 95 % interval after Wilson.
create or replace view alert_precision as
with
judged as (
    select
        finding ->> 'pipeline' as pipeline,
        state = 'false_positive' as is_false
    from alert_rows
    where changed_by is not null and state in ('acknowledged', 'resolved', 'false_positive')
),
counted as (
    select
        pipeline,
        count(*) as judged,
        count(*) filter (where not is_false) as "real"
    from judged
    group by rollup (pipeline)
    having count(*) > 0
),
shares as (
    select *, "real" / judged as share, 3.8415 / judged as z from counted
)
select
    pipeline,
    judged,
    "real",
    share as "precision",
    (share + z / 2 - sqrt(z * (share * (1 - share) + z / 4))) / (1 + z) as low,
    (share + z / 2 + sqrt(z * (share * (1 - share) + z / 4))) / (1 + z) as high
from shares
order by pipeline nulls first;

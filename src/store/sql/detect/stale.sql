-- Question: which pipelines have changed since they were judged, or were never judged under these settings?
-- Needs: $settings (fingerprint)
with
judged as (
    select pipeline from evaluation_rows where settings = cast($settings as varchar)
),
there as (
    select distinct pipeline from run_rows
)
select pipeline
from there
where pipeline not in (select pipeline from judged)
    or pipeline in (select pipeline from stale_pipelines)
order by pipeline

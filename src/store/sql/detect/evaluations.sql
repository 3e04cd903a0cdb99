-- Question: what was said of each pipeline that still has runs?
-- Needs: $settings (fingerprint)
select pipeline, verdict
from evaluation_rows
where settings = cast($settings as varchar)
    and pipeline in (select distinct pipeline from run_rows)
order by pipeline

-- Question: which pipelines have runs whose memory, CPU or disk figures came late?
-- Needs: derive_figures (12)
-- Leaves: their names in stale_pipelines.
insert into stale_pipelines
select distinct r.pipeline, false
from run_rows as r
inner join derive_figures as f on f.run_key = r.run_key
where r.started_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
    and r.pipeline not in (select pipeline from stale_pipelines where not taken);

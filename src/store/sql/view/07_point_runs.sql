-- Question: which run does each metric point belong to?
-- Written when runs are derived: by a run id that the point or its resource names, else by the process that
-- sent it while a run of that process was under way.
create or replace view point_runs as
select run_key, resource_id, point_key, time_ns
from point_run_rows;

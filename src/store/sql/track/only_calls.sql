-- Question: which are the model calls of the runs of only_runs.sql?
-- Needs: nothing
create temporary table model_calls as
select run_key, started_ns, duration_s, model, outcome, input_tokens, output_tokens, cost_usd
from model_calls
where run_key in (select run_key from run_rows)

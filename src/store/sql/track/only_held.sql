-- Question: does the pipeline of only_runs.sql call models, and was one of its runs sampled?
-- Needs: nothing
-- What it does not have need not be asked for: planning a question takes longer than finding nothing.
select
    exists (select 1 from model_calls) as calls,
    exists (select 1 from point_run_rows where run_key in (select run_key from run_rows)) as samples

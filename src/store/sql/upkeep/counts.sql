-- Question: how many rows does each table hold that pruning may shorten?
select 'spans' as "table", count(*) as "rows" from span_rows
union all
select 'metric_points', count(*) from point_rows
union all
select 'logs', count(*) from log_rows
union all
select 'runs', count(*) from run_rows
union all
select 'steps', count(*) from step_rows
union all
select 'model_calls', count(*) from model_calls
union all
select 'quality_scores', count(*) from quality_scores
union all
select 'resources', count(*) from resources
union all
select 'scopes', count(*) from scopes

-- Question: which pipelines have runs?
select distinct pipeline from run_rows order by pipeline

-- Question: which pipeline must be judged again, since its baseline was decided anew?
-- Needs: $pipeline
insert into stale_pipelines values ($pipeline, false)

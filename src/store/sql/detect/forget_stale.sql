-- Question: which marks were answered?
-- Needs: $pipelines (JSON array of names)
delete from stale_pipelines
where taken
    and pipeline in (select unnest(from_json(cast($pipelines as json), '["varchar"]')))

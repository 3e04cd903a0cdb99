-- Question: what was said of these pipelines before, under whatever settings?
-- Needs: $pipelines (JSON array of names)
delete from evaluation_rows
where pipeline in (select unnest(from_json(cast($pipelines as json), '["varchar"]')))

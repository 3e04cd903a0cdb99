-- Question: what is a name without the ids, hashes and long numbers in it?
create or replace macro fold_ids(name) as regexp_replace(
    name,
    '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|\b[0-9]{4,}\b|\b[0-9a-fA-F]{8,}\b',
    '{id}',
    'g'
);

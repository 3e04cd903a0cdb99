-- Question: what is a name without the ids, hashes, dates and long numbers in it?
-- The names of plain spans have no row of facts in which conventions would have folded them (names.rs folds more).
create or replace macro fold_uuids(name) as regexp_replace(
    name,
    '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}',
    '{id}',
    'g'
);

-- A date with its time, digits behind #, four digits or more, eight hexadecimal ones: between what is no letter and no digit.
create or replace macro fold_numbers(name) as regexp_replace(
    name,
    '(^|[^0-9A-Za-z])(?:'
        || '[0-9]{4}[-/._][0-9]{2}[-/._][0-9]{2}(?:[T _-]?[0-9]{2}(?:[:._-]?[0-9]{2}){1,2}(?:[.,][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?'
        || '|[0-9]{4,}|[0-9a-fA-F]{8,})($|[^0-9A-Za-z])',
    '\1{id}\2',
    'g'
);

-- Twice: what stands between two numbers ends the one and begins the other.
create or replace macro fold_ids(name) as regexp_replace(
    fold_numbers(fold_numbers(fold_uuids(name))),
    '#[0-9]+\b',
    '#{id}',
    'g'
);

-- Values of spans that are a number with text around it, as numbers: smaller than text, and quicker to pack.

-- The member "key":value as a format of format(), which puts span_rows.number_1 in; null: the value is a text.
alter table span_sets add column format_1 varchar;
alter table span_sets add column format_2 varchar;
alter table span_sets add column format_3 varchar;
alter table span_sets add column format_4 varchar;

-- The number of the value that the set's format_1 names; null where value_1 has the whole value, or there is none.
alter table span_rows add column number_1 ubigint;
alter table span_rows add column number_2 ubigint;
alter table span_rows add column number_3 ubigint;
alter table span_rows add column number_4 ubigint;

-- What each attempt of a step used, made and scored.

alter table step_rows add column resource_id ubigint;        -- of the process whose span it is
alter table step_rows add column items double;               -- that it worked on, as its span says
alter table step_rows add column peak_memory_bytes bigint;
alter table step_rows add column cpu_s double;
alter table step_rows add column quality_score double;       -- mean of the scores of spans within it
alter table step_rows add column sampled boolean;            -- memory and CPU come from metric points, not from the span

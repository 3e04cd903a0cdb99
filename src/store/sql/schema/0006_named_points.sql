-- Runs that metric points name by an attribute of their own, whatever process sends them. The points may come
-- before their run.
create table named_points (
    run_id varchar not null,
    resource_id ubigint not null,
    first_ns bigint not null,
    last_ns bigint not null
);

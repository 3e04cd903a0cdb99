-- Findings with a life, accepted changes, and who did what.
-- Times are nanoseconds since the Unix epoch, UTC.

create table alert_rows (
    alert_id varchar not null,          -- fingerprint: stable over the alert's life
    state varchar not null,             -- open, acknowledged, muted, resolved, false_positive
    finding varchar not null,           -- JSON object: the finding as it was last seen
    opened_ns bigint not null,
    seen_ns bigint not null,            -- when an evaluation last confirmed it
    changed_ns bigint not null,         -- when its state last changed
    latest_run_ns bigint not null,      -- newest run of the pipeline that was judged
    missed integer not null,            -- judgements in a row, each with new runs, that did not confirm it
    muted_until_ns bigint,              -- null: not muted, or for good
    changed_by varchar,                 -- null: perfline itself
    note varchar
);

create table baseline_rows (
    series varchar not null,            -- JSON object: pipeline, step, metric, context
    since_ns bigint not null,           -- the series' baseline begins at runs from here on
    set_ns bigint not null,
    set_by varchar,
    reason varchar
);

create table audit_rows (
    at_ns bigint not null,
    actor varchar,                      -- null: perfline itself
    action varchar not null,
    subject varchar not null,           -- an alert's id, or a series as JSON
    note varchar
);

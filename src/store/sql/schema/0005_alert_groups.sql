-- Alerts of several findings, baselines in versions, and what was judged already.
-- Times are nanoseconds since the Unix epoch, UTC.

-- JSON array of findings that moved with the alert's own at the same run; null: none.
alter table alert_rows add column members varchar;

-- Decisions about the baseline of a series: the newest version counts, all are kept.
create table baseline_versions (
    series varchar not null,            -- JSON object: pipeline, step, metric, context
    version integer not null,           -- 1 is the first of its series
    kind varchar not null,              -- accepted, pinned, reset
    since_ns bigint not null,           -- start of its first run
    until_ns bigint,                    -- start of its last run; null: it grows
    runs varchar,                       -- JSON array: the runs of a pinned one, kept although they may be pruned
    set_ns bigint not null,
    set_by varchar,                     -- null: by policy
    reason varchar
);

insert into baseline_versions
select series, 1, 'accepted', since_ns, null, null, set_ns, set_by, reason
from baseline_rows;

drop table baseline_rows;

-- What the detector said of each pipeline when it last looked.
create table evaluation_rows (
    pipeline varchar not null,
    settings varchar not null,          -- fingerprint of the settings under which it was judged
    verdict varchar not null,           -- JSON object
    evaluated_ns bigint not null
);

-- Pipelines whose runs changed since.
create table stale_pipelines (
    pipeline varchar not null,
    taken boolean not null              -- an evaluation is under way; left over where it did not end
);

-- Question: which alerts are known, oldest first?
select
    alert_id,
    state,
    finding,
    members,
    opened_ns,
    seen_ns,
    changed_ns,
    latest_run_ns,
    missed,
    muted_until_ns,
    changed_by,
    note
from alert_rows
order by opened_ns, alert_id

-- Question: what happened to each alert, and who did it, oldest first?
-- Needs: nothing
select u.subject as alert_id, u.at_ns, u.actor, u.action, u.note
from audit_rows as u
where u.subject in (select alert_id from alert_rows)
order by u.subject, u.at_ns

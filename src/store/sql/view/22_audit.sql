-- Question: who did what, and when?
create or replace view audit as
select
    make_timestamp_ns(at_ns) as at,
    actor,
    action,
    subject,
    note
from audit_rows;

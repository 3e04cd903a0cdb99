-- Question: which alerts are known?
select * from alert_rows order by opened_ns, alert_id

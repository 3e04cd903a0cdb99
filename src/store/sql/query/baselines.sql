-- Question: which changes were accepted, newest last?
select * from baseline_rows order by set_ns

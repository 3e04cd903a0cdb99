-- Question: what did each step of the runs chosen measure, all its attempts that count together?
-- Needs: the name of a table, view or CTE with a column run_key, and whatever else the rows are to carry, the same for
--        all rows of a run: from step_sums('...', ...); the time from which on steps are looked at, in nanoseconds
-- Every series of a step is made of these sums. Runs are chosen first: grouped before, every step of the store would be.
create or replace macro step_sums(chosen, oldest_ns) as table
select
    c.* exclude (run_key),
    s.step,
    sum(s.duration) as duration,
    sum(s.cost) as cost,
    sum(s.input_tokens) as input_tokens,
    sum(s.output_tokens) as output_tokens
from query_table(chosen) as c
join step_parts as s on s.run_key = c.run_key
where s.started_ns >= oldest_ns
group by all;

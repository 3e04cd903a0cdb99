-- Question: which runs have waited long enough for their run span?
-- Needs: $now_ns, $idle_ns (at the end of an import: 0)
update run_rows
set
    state = 'closed',
    outcome = coalesce(settled_outcome, 'unknown')
where state = 'open' and ended_ns <= $now_ns - $idle_ns;

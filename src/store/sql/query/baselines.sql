-- Question: what was decided about baselines, oldest first?
select series, version, kind, since_ns, until_ns, runs, set_ns, set_by, reason
from baseline_versions
order by series, version

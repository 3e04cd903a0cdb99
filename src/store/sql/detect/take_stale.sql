-- Question: which marks does the evaluation that begins now answer? Marks that come later stay for the next.
update stale_pipelines set taken = true where not taken

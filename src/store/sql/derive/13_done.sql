-- Question: what has been looked at now?
-- Needs: derive_shares and derive_share, as 00 has them; runs in the transaction that looked at it
delete from pending_traces
where hash(trace_hi, trace_lo) % coalesce(getvariable('derive_shares'), 1) = coalesce(getvariable('derive_share'), 0);

delete from pending_resources
where hash('resource', resource_id) % coalesce(getvariable('derive_shares'), 1) = coalesce(getvariable('derive_share'), 0);

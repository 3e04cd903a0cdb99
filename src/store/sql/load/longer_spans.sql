-- Question: which spans that are stored already came again with a later end?
-- Needs: temp table incoming_again: spans of this load whose key is stored, with their place and length.
-- Leaves: temp table longer_spans. Live exporters send a span when it starts, and again when it ends: its end is 0 first.
create or replace temp table longer_spans as
select i.place, i.trace_hi, i.trace_lo, i.span_id, i.start_ns
from incoming_again as i
inner join (
    select trace_hi, trace_lo, span_id, start_ns, duration_ns
    from span_rows
    where start_ns between (select min(start_ns) from incoming_again) and (select max(start_ns) from incoming_again)
) as s
    on s.trace_hi = i.trace_hi and s.trace_lo = i.trace_lo and s.span_id = i.span_id and s.start_ns = i.start_ns
group by i.place, i.trace_hi, i.trace_lo, i.span_id, i.start_ns, i.duration_ns
having i.duration_ns > max(s.duration_ns);

-- Question: what is stored of the spans that came again with a later end? It makes room for what came.
-- Needs: temp table longer_spans
delete from span_rows as s
using longer_spans as l
where s.start_ns between (select min(start_ns) from longer_spans) and (select max(start_ns) from longer_spans)
    and s.trace_hi = l.trace_hi
    and s.trace_lo = l.trace_lo
    and s.span_id = l.span_id
    and s.start_ns = l.start_ns;

delete from span_facts as f
using longer_spans as l
where f.start_ns between (select min(start_ns) from longer_spans) and (select max(start_ns) from longer_spans)
    and f.trace_hi = l.trace_hi
    and f.trace_lo = l.trace_lo
    and f.span_id = l.span_id
    and f.start_ns = l.start_ns;

-- Scores of log records, which name no start, stay.
delete from score_rows as q
using longer_spans as l
where q.trace_hi = l.trace_hi
    and q.trace_lo = l.trace_lo
    and q.span_id = l.span_id
    and q.start_ns = l.start_ns;

drop table longer_spans;

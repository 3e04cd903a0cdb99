-- Question: which calls are to be priced?
-- Needs: recost_calls (recost_begin)
select
    place,
    provider,
    model,
    started_ns,
    input_tokens,
    output_tokens,
    cached_tokens,
    cache_write_tokens
from recost_calls
where model is not null
order by place

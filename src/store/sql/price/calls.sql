-- Question: which calls of this derivation have no cost of their own, and could have a price?
-- Needs: derive_calls (derive/07)
select
    node,
    provider,
    model,
    start_ns,
    input_tokens,
    output_tokens,
    cached_tokens,
    cache_write_tokens
from derive_calls
where cost_usd is null and usage = 'call' and model is not null and coalesce(input_tokens, output_tokens) is not null
order by node

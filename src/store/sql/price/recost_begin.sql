-- Question: which stored calls may cost something else by other prices?
-- Leaves: temp table recost_calls, one row a call whose cost no span states; recost_prices, empty: filled by the
--         price tables.
create or replace temp table recost_calls as
select
    row_number() over (order by started_ns, run_key, span_id) as place,
    *
from model_calls
where cost_source is distinct from 'stated'
    and not coalesce(is_sum, false)
    and coalesce(input_tokens, output_tokens) is not null
    and (cost_source is not null or model is not null);

create or replace temp table recost_prices (place bigint, cost_usd double, source varchar);

-- Question: what did pricing again find?
-- Needs: recost_calls (recost_begin), recost_prices
-- Leaves: nothing; prices that would top up a run whose spans state costs were taken out before
select
    (select count(*) from model_calls where cost_source = 'stated') as stated,
    count(*) filter (where p.source = 'user') as user_priced,
    count(*) filter (where p.source = 'bundled') as bundled,
    count(*) filter (where p.source is null) as unknown,
    count(*) filter (
        where p.cost_usd is distinct from c.cost_usd or p.source is distinct from c.cost_source
    ) as changed
from recost_calls as c
left join recost_prices as p using (place)

-- Question: what do the calls cost whose cost no span states?
-- Needs: derive_calls (07); derive_prices (node, cost_usd, source), filled from the price tables
-- Leaves: derive_calls with these costs and their source.
-- A bundled price is a guess by the model's name: it does not top up a run whose spans state costs.
update derive_calls
set
    cost_usd = p.cost_usd,
    cost_source = p.source
from derive_prices as p
where p.node = derive_calls.node
    and derive_calls.cost_usd is null
    and (
        p.source <> 'bundled'
        or derive_calls.unit not in (select unit from derive_calls where cost_source = 'stated')
    );

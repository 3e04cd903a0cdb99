-- Question: which bundled prices would top up a run whose spans state costs? They are guesses: out with them.
-- Needs: recost_calls (recost_begin), recost_prices
delete from recost_prices
where source = 'bundled'
    and place in (
        select place
        from recost_calls
        where run_key in (select run_key from model_calls where cost_source = 'stated')
    );

-- Question: where is each of some series heading, and how sure is that?
-- Needs: the name of a table, view or CTE with the columns series, place (a number, rising with time, each once in a
--        series), x (the time, in any unit) and y: from trend_sums('...')
-- Theil and Sen's slope, per unit of x, with Sen's 95 % interval of ranks (1968; SciPy's theilslopes); Mann and Kendall's S
-- with its variance, ties corrected (Gilbert 1987, 16.4), and tau-b. The two-sided p is that of a normal value as large as
-- max(|s| - 1, 0) / sqrt(s_variance), a function that DuckDB lacks. The newest 1,000 points of a series count: the pairs
-- grow with the square.
create or replace macro trend_sums(points) as table
with
numbered as (
    select
        series,
        cast(x as double) as x,
        cast(y as double) as y,
        row_number() over (partition by series order by place desc) as newest
    from query_table(points)
    where isfinite(cast(x as double)) and isfinite(cast(y as double))
),
given as (
    select
        *,
        -- Points of the same value, and of the same time.
        count(*) over (partition by series, y) as same_y,
        count(*) over (partition by series, x) as same_x
    from numbered
    where newest <= 1000
),
sizes as (
    select
        series,
        count(*) as n,
        max(x) - min(x) as reach,
        median(y) as level,
        count(*) * (count(*) - 1) // 2 as pair_count,
        sum(same_y - 1) // 2 as equal_count,
        -- Over groups of t equal values t (t - 1) (2 t + 5), point by point.
        count(*) * (count(*) - 1) * (2 * count(*) + 5) - sum((same_y - 1) * (2 * same_y + 5)) as s_part,
        sum((same_x - 1) * (2 * same_x + 5)) as x_part
    from given
    group by series
),
pairs as (
    select
        old.series,
        sign(new.y - old.y) as rise,
        case when new.x > old.x then (new.y - old.y) / (new.x - old.x) end as slope
    from given as old
    -- The series first: of places alone each point would meet each.
    join given as new on new.series = old.series and new.newest < old.newest
),
sums as (
    select series, sum(rise) as s, list(slope order by slope) filter (isfinite(slope)) as slopes
    from pairs
    group by series
),
spreads as (
    select
        z.*,
        cast(s.s as bigint) as s,
        s.slopes,
        len(s.slopes) as slope_count,
        -- 95 of 100 normal values lie within 1.96.
        1.959963984540054 * sqrt(greatest(z.s_part - z.x_part, 0) / 18) as rank_reach
    from sums as s
    join sizes as z on z.series = s.series
)
select
    series,
    n,
    reach,
    level,
    -- Lists count from 1. Halved before the sum: two huge slopes must not overflow.
    slopes[(slope_count + 1) // 2] / 2 + slopes[slope_count // 2 + 1] / 2 as slope,
    slopes[cast(greatest(least(round_even((slope_count - rank_reach) / 2, 0), slope_count), 1) as bigint)] as slope_low,
    slopes[cast(greatest(least(round_even((slope_count + rank_reach) / 2, 0) + 1, slope_count), 1) as bigint)]
        as slope_high,
    s,
    cast(s_part as double) / 18 as s_variance,
    s / nullif(sqrt(cast(pair_count as double) * (pair_count - equal_count)), 0) as tau
from spreads;

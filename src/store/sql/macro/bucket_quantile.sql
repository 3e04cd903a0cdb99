-- Question: below which value does a share of a histogram lie?
-- Linear within the bucket, as Prometheus' histogram_quantile; in the last bucket its lower bound, in the
-- first its upper bound where that is not above 0. Null where the histogram is empty.
create or replace macro bucket_quantile(buckets, bounds, quantile) as (
    with
    input as (
        select buckets as counts, bounds as edges, quantile as q, list_sum(buckets)::double as total
    ),
    cells as (
        select
            place,
            counts[place]::double as count,
            list_sum(counts[1:place])::double as upto,
            edges[place - 1] as low,
            edges[place] as high,
            total,
            q
        from input, generate_series(1, len(counts)) as s(place)
        where total > 0
    ),
    hit as (
        select * from cells where upto >= q * total and count > 0 order by place limit 1
    )
    select
        case
            when high is null then low
            when low is null and high <= 0 then high
            else coalesce(low, 0) + (high - coalesce(low, 0)) * (q * total - (upto - count)) / count
        end
    from hit
);

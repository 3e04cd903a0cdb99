-- Question: below which value does a share of an exponential histogram lie?
-- Bucket i holds (base^i, base^(i+1)] with base = 2^(2^-scale) (OpenTelemetry, metrics data model). Geometric
-- within a bucket; the zero bucket counts as 0. Null where the histogram is empty.
create or replace macro exponential_quantile(scale, zero_count, positive_offset, positive, negative_offset, negative, quantile) as (
    with
    input as (
        select
            scale as s,
            coalesce(zero_count, 0) as zeros,
            coalesce(positive_offset, 0) as p_from,
            coalesce(positive, []) as p_counts,
            coalesce(negative_offset, 0) as n_from,
            coalesce(negative, []) as n_counts,
            quantile as q
    ),
    cells as (
        -- From the most negative to the most positive.
        select -1 as side, -(n_from + place - 1) as place, n_from + place - 1 as index, n_counts[place]::double as count
        from input, generate_series(1, len(n_counts)) as g(place)
        union all
        select 0, 0, 0, zeros::double from input
        union all
        select 1, p_from + place - 1, p_from + place - 1, p_counts[place]::double
        from input, generate_series(1, len(p_counts)) as g(place)
    ),
    summed as (
        select
            *,
            sum(count) over (order by side, place) as upto,
            sum(count) over () as total
        from cells
    ),
    hit as (
        select summed.*, input.q, input.s
        from summed, input
        where total > 0 and count > 0 and upto >= q * total
        order by side, summed.place
        limit 1
    )
    select
        case side
            when 0 then 0.0
            when 1 then pow(2.0, pow(2.0, -s) * (index + (q * total - (upto - count)) / count))
            else -pow(2.0, pow(2.0, -s) * (index + 1 - (q * total - (upto - count)) / count))
        end
    from hit
);

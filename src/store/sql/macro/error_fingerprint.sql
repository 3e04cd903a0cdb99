-- Question: which errors are the same, but for ids, numbers and what stands in quotes?
create or replace macro error_fingerprint(error_type, error) as
    case
        when error is not null or error_type is not null
            then left(md5(concat_ws(
                '|',
                error_type,
                regexp_replace(
                    lower(error),
                    '0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+|''[^'']*''|"[^"]*"',
                    '#',
                    'g'
                )
            )), 16)
    end;

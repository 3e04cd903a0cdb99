-- Question: what does a Parquet file hold, as text?
-- Needs: $path
-- Text, so that numbers and times of every type are read as those of a CSV file are.
select cast(columns(*) as varchar) from read_parquet($path)

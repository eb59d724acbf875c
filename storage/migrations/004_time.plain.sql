-- Plain PostgreSQL: the twins of TimescaleDB's continuous aggregates are views with the same columns.

CREATE VIEW reading_hour AS
SELECT outlet_key, factor_key, date_trunc('hour', time, 'UTC') AS hour,
       avg(avg) FILTER (WHERE flag IS NULL OR flag IN ('', 'N')) AS avg,
       count(*) FILTER (WHERE flag IS NULL OR flag IN ('', 'N')) AS valid,
       count(*) AS received
FROM reading
WHERE interval_key = 1
GROUP BY outlet_key, factor_key, hour;

CREATE VIEW power_hour AS
SELECT meter_key, date_trunc('hour', time, 'UTC') AS hour,
       avg(kw) AS kw, sum(kwh) AS kwh, count(*) AS received
FROM power
GROUP BY meter_key, hour;

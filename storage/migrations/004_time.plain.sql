-- Plain PostgreSQL: the twins of TimescaleDB's continuous aggregates are views with the same columns.

CREATE VIEW reading_hour AS
SELECT outlet_key, factor_key, date_trunc('hour', time, 'UTC') AS hour,
       avg(avg) FILTER (WHERE flag IS NULL OR flag IN ('', 'N')) AS avg,
       count(*) FILTER (WHERE flag IS NULL OR flag IN ('', 'N')) AS valid,
       count(*) AS received
FROM reading
WHERE interval_key = 1
GROUP BY outlet_key, factor_key, date_trunc('hour', time, 'UTC');

CREATE VIEW power_hour AS
SELECT meter_key, date_trunc('hour', time, 'UTC') AS hour,
       avg(kw) AS kw, sum(kwh) AS kwh, count(*) AS received
FROM power
GROUP BY meter_key, date_trunc('hour', time, 'UTC');

-- The same periods as the retention policies of the TimescaleDB form; `mingcha db retention` calls it.
-- Monitoring records: 5 years (排污许可管理条例 art. 19-21). Passage ledger: 24 months, and no longer, for plates
-- are personal data.
CREATE FUNCTION drop_older_than(
    records interval DEFAULT '5 years', passages interval DEFAULT '24 months', at timestamptz DEFAULT now()
) RETURNS TABLE (relation text, dropped bigint, unit text) LANGUAGE plpgsql AS $$
DECLARE
    rule record;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('raw_record', 'received_at', records), ('frame', 'key_time', records), ('reading', 'time', records),
        ('power', 'time', records), ('passage', 'time', passages)) AS rules (name, clock, keep)
    LOOP
        EXECUTE format('DELETE FROM %I WHERE %I < $1', rule.name, rule.clock) USING at - rule.keep;
        GET DIAGNOSTICS dropped = ROW_COUNT;
        relation := rule.name;
        unit := 'rows';
        RETURN NEXT;
    END LOOP;
END $$;

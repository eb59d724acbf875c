-- TimescaleDB >= 2.20: hypertables, columnstore, hourly continuous aggregates, retention.
CREATE EXTENSION IF NOT EXISTS timescaledb;

-- Primary keys serve every query; a second index on time alone would only slow the writer.
SELECT create_hypertable('raw_record', by_range('received_at', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('frame', by_range('key_time', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('reading', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('power', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
SELECT create_hypertable('passage', by_range('time', INTERVAL '30 days'), create_default_indexes => false);

-- raw_record stays in rows: its bodies are compressed one by one, and evidence needs single ones quickly.
-- One batch of the columnstore would hold up to a thousand bodies of 64 kB.
ALTER TABLE frame SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'device_key',
    timescaledb.orderby = 'key_time, cn, part'
);
ALTER TABLE reading SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'outlet_key, factor_key',
    timescaledb.orderby = 'interval_key, time'
);
ALTER TABLE power SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'meter_key',
    timescaledb.orderby = 'time'
);
ALTER TABLE passage SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'gate_key',
    timescaledb.orderby = 'time, plate, direction'
);
-- Seven days take what loggers send again after an outage; later rows still go in, by the slower path.
CALL add_columnstore_policy('frame', after => INTERVAL '7 days');
CALL add_columnstore_policy('reading', after => INTERVAL '7 days');
CALL add_columnstore_policy('power', after => INTERVAL '7 days');
CALL add_columnstore_policy('passage', after => INTERVAL '30 days');

-- The columns of the plain views. Hours not yet materialised are computed when asked; a row that comes late
-- into a materialised hour shows after the next refresh. Whoever must be exact reads the streams.
CREATE MATERIALIZED VIEW reading_hour
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT outlet_key, factor_key, time_bucket(INTERVAL '1 hour', time) AS hour,
       avg(avg) FILTER (WHERE flag IS NULL OR flag IN ('', 'N')) AS avg,
       count(*) FILTER (WHERE flag IS NULL OR flag IN ('', 'N')) AS valid,
       count(*) AS received
FROM reading
WHERE interval_key = 1
GROUP BY outlet_key, factor_key, time_bucket(INTERVAL '1 hour', time)
WITH NO DATA;

CREATE MATERIALIZED VIEW power_hour
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT meter_key, time_bucket(INTERVAL '1 hour', time) AS hour,
       avg(kw) AS kw, sum(kwh) AS kwh, count(*) AS received
FROM power
GROUP BY meter_key, time_bucket(INTERVAL '1 hour', time)
WITH NO DATA;

-- From before the oldest back-fill, but short of retention: a refresh over dropped chunks drops their hours.
SELECT add_continuous_aggregate_policy('reading_hour', start_offset => INTERVAL '58 months',
    end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '10 minutes');
SELECT add_continuous_aggregate_policy('power_hour', start_offset => INTERVAL '58 months',
    end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '10 minutes');

-- A chunk goes when its youngest row is older than this. Monitoring records: 5 years (排污许可管理条例 art. 19-21).
-- Passage ledger: 24 months, and no longer, for plates are personal data.
SELECT add_retention_policy('raw_record', drop_after => INTERVAL '5 years');
SELECT add_retention_policy('frame', drop_after => INTERVAL '5 years');
SELECT add_retention_policy('reading', drop_after => INTERVAL '5 years');
SELECT add_retention_policy('power', drop_after => INTERVAL '5 years');
SELECT add_retention_policy('passage', drop_after => INTERVAL '24 months');

-- What the policies do by themselves, for `mingcha db retention`; the same signature as the plain form.
CREATE FUNCTION drop_older_than(
    records interval DEFAULT '5 years', passages interval DEFAULT '24 months', at timestamptz DEFAULT now()
) RETURNS TABLE (relation text, dropped bigint, unit text) LANGUAGE plpgsql AS $$
DECLARE
    rule record;
BEGIN
    FOR rule IN SELECT * FROM (VALUES
        ('raw_record', records), ('frame', records), ('reading', records), ('power', records),
        ('passage', passages)) AS rules (name, keep)
    LOOP
        SELECT count(*) INTO dropped FROM drop_chunks(rule.name::regclass, older_than => at - rule.keep);
        relation := rule.name;
        unit := 'chunks';
        RETURN NEXT;
    END LOOP;
END $$;

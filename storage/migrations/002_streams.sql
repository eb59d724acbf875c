-- The streams. Raw records are the truth; everything below them can be rebuilt by replaying them.

-- A topic of one broker cluster: a topic made anew under its old name is another stream with its own offsets.
CREATE TABLE stream (
    stream_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    topic_id   uuid NOT NULL,
    UNIQUE (topic, topic_id)
);

-- The consumer position, moved in the same transaction as the rows (guarantee G2). The fence is the position
-- itself: a writer whose expected offset is gone has lost the partition and aborts.
CREATE TABLE ingest_offset (
    stream_key  integer NOT NULL REFERENCES stream,
    partition   smallint NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    owner       text NOT NULL DEFAULT '',
    event_time  timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_key, partition)
);

-- Packed Kafka records exactly as consumed.
CREATE TABLE raw_record (
    stream_key   integer NOT NULL,
    partition    smallint NOT NULL,
    kafka_offset bigint NOT NULL,
    received_at  timestamptz NOT NULL,
    items        integer NOT NULL,
    body         bytea NOT NULL,
    PRIMARY KEY (stream_key, partition, kafka_offset, received_at)
);

-- One HJ 212 packet as received; its bytes are body[byte_offset, byte_offset + length) of its raw record.
-- key_time is DataTime, else the time in QN, else the receive time; part is PNO, 0 when not split.
CREATE TABLE frame (
    device_key   integer NOT NULL,
    key_time     timestamptz NOT NULL,
    cn           smallint NOT NULL,
    part         smallint NOT NULL,
    received_at  timestamptz NOT NULL,
    payload_hash bigint NOT NULL,
    sha256       bytea NOT NULL,
    crc_kind     smallint NOT NULL,
    edition      smallint NOT NULL,
    problems     smallint NOT NULL,
    readings     smallint NOT NULL,
    peer         inet NOT NULL,
    stream_key   integer NOT NULL,
    partition    smallint NOT NULL,
    kafka_offset bigint NOT NULL,
    byte_offset  integer NOT NULL,
    length       integer NOT NULL,
    PRIMARY KEY (device_key, key_time, cn, part)
);

-- One factor over one interval; time is the start. Realtime values stand in avg and converted_avg.
-- Units: domain/data/factors.toml; total is kg of the interval, m3 for a00000. flag as the device sent it.
CREATE TABLE reading (
    outlet_key    integer NOT NULL,
    factor_key    smallint NOT NULL,
    interval_key  smallint NOT NULL,
    time          timestamptz NOT NULL,
    avg           double precision,
    min           double precision,
    max           double precision,
    converted_avg double precision,
    total         double precision,
    flag          text,
    PRIMARY KEY (outlet_key, factor_key, interval_key, time)
);

CREATE TABLE power (
    meter_key integer NOT NULL,
    time      timestamptz NOT NULL,
    kw        double precision,
    kwh       double precision,
    PRIMARY KEY (meter_key, time)
);

CREATE TABLE passage (
    gate_key    integer NOT NULL,
    time        timestamptz NOT NULL,
    direction   text NOT NULL,
    plate       text NOT NULL,
    plate_color text,
    stage       text,
    fuel        text,
    cargo       text,
    tonnes      double precision,
    PRIMARY KEY (gate_key, time, plate, direction)
);

-- Same key, other content: kept, never overwritten; it is evidence in itself.
CREATE TABLE conflict (
    conflict_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('frame', 'reading', 'power', 'passage')),
    subject      text NOT NULL,
    key_time     timestamptz NOT NULL,
    existing     jsonb NOT NULL,
    offered      jsonb NOT NULL,
    stream_key   integer NOT NULL,
    partition    smallint NOT NULL,
    kafka_offset bigint NOT NULL,
    item         integer NOT NULL,
    seen_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON conflict (subject, key_time);

CREATE TABLE dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic          text NOT NULL,
    stream_key     integer NOT NULL,
    partition      smallint NOT NULL,
    kafka_offset   bigint NOT NULL,
    item           integer NOT NULL,
    received_at    timestamptz NOT NULL,
    peer           text NOT NULL DEFAULT '',
    subject        text NOT NULL DEFAULT '',
    stage          text NOT NULL,
    reason         text NOT NULL,
    detail         text NOT NULL DEFAULT '',
    body           bytea NOT NULL,
    state          text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'replayed', 'dropped')),
    UNIQUE (stream_key, partition, kafka_offset, item)
);
CREATE INDEX ON dead_letter (state, reason);

-- What became of every item, per sender: the right-hand side of the ledger (guarantee G3).
CREATE TABLE ingest_count (
    subject text NOT NULL,
    stream  text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('stored', 'duplicate', 'conflict', 'dead_letter')),
    items   bigint NOT NULL,
    PRIMARY KEY (subject, stream, outcome)
);

CREATE VIEW reading_named AS
SELECT o.site_id, o.outlet_id, f.code AS factor, r.interval_key,
       (ARRAY['realtime', 'minute', 'hour', 'day'])[r.interval_key + 1] AS interval,
       r.time, r.avg, r.min, r.max, r.converted_avg, r.total, r.flag
FROM reading r
JOIN outlet o USING (outlet_key)
JOIN factor f USING (factor_key);

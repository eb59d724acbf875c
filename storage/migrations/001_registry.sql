-- Who is watched. Text ids are the regulator's own; integer keys keep the stream tables narrow.

CREATE TABLE site (
    site_id     text PRIMARY KEY,
    name        text NOT NULL,
    industry    text NOT NULL DEFAULT '',
    region_code text NOT NULL DEFAULT '',
    lon         double precision,
    lat         double precision,
    grade       text NOT NULL DEFAULT ''
);

CREATE TABLE outlet (
    outlet_key           integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    outlet_id            text PRIMARY KEY,
    site_id              text NOT NULL REFERENCES site,
    name                 text NOT NULL DEFAULT '',
    source_type          text NOT NULL DEFAULT '',
    reference_o2_percent double precision,
    flag_dictionary      text NOT NULL DEFAULT 'hj75'
);
CREATE INDEX ON outlet (site_id);

-- A device seen for the first time is pending: its frames are kept and not used.
CREATE TABLE device (
    device_key      integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    mn              text PRIMARY KEY,
    outlet_id       text REFERENCES outlet,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'active', 'suspended')),
    password        text,
    edition         text CHECK (edition IN ('2005', '2017', '2025')),
    flag_dictionary text NOT NULL DEFAULT 'hj212_2017',
    accepted_crc    text[] NOT NULL DEFAULT '{}',
    sm4_key         bytea CHECK (length(sm4_key) = 16),
    first_seen      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON device (outlet_id);

-- Factors of domain/data/factors.toml keep their key; a code met in the field and not defined there gets
-- one from 1000 upwards, so that its readings are stored and can be named later.
CREATE TABLE factor (
    factor_key smallint PRIMARY KEY,
    code       text NOT NULL UNIQUE
);

CREATE TABLE meter (
    meter_key integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    meter_id  text PRIMARY KEY,
    site_id   text NOT NULL REFERENCES site,
    role      text NOT NULL CHECK (role IN ('production', 'treatment', 'total')),
    line      text NOT NULL DEFAULT '',
    rated_kw  double precision,
    outlet_id text REFERENCES outlet
);
CREATE INDEX ON meter (site_id);

CREATE TABLE gate (
    gate_key integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    gate_id  text PRIMARY KEY,
    site_id  text NOT NULL REFERENCES site,
    name     text NOT NULL DEFAULT ''
);
CREATE INDEX ON gate (site_id);

CREATE TABLE outlet_limit (
    outlet_id   text NOT NULL REFERENCES outlet,
    factor      text NOT NULL,
    limit_mg_m3 double precision NOT NULL,
    basis       text NOT NULL DEFAULT 'converted' CHECK (basis IN ('measured', 'converted')),
    averaging   text NOT NULL DEFAULT 'hour' CHECK (averaging IN ('hour', 'day')),
    valid_from  timestamptz NOT NULL DEFAULT '-infinity',
    valid_to    timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (outlet_id, factor, averaging, basis, valid_from)
);

CREATE TABLE mark (
    outlet_id  text NOT NULL REFERENCES outlet,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    kind       text NOT NULL,
    entered_at timestamptz,
    PRIMARY KEY (outlet_id, starts_at, kind)
);

CREATE TABLE alert (
    region_code text NOT NULL,
    level       text NOT NULL CHECK (level IN ('yellow', 'orange', 'red')),
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    PRIMARY KEY (region_code, starts_at, level)
);

CREATE TABLE measure (
    site_id       text NOT NULL REFERENCES site,
    line          text NOT NULL DEFAULT '',
    level         text NOT NULL CHECK (level IN ('yellow', 'orange', 'red')),
    kind          text NOT NULL CHECK (kind IN ('stop', 'limit', 'rotate')),
    limit_percent double precision,
    PRIMARY KEY (site_id, line, level, kind)
);

-- Who may send over HTTP; only the hash of a token is kept.
CREATE TABLE integrator (
    integrator_id text PRIMARY KEY,
    token_sha256  bytea NOT NULL UNIQUE,
    active        boolean NOT NULL DEFAULT true
);

-- What the detectors say, and what people did about it.

CREATE TABLE detection_run (
    run_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('batch', 'live')),
    begun_at    timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    findings    integer
);

-- run_id is the newest run that found it; withdrawn_run a later run over its interval that no longer did.
CREATE TABLE finding (
    finding_id     text PRIMARY KEY,
    run_id         bigint NOT NULL REFERENCES detection_run,
    rule           text NOT NULL,
    version        integer NOT NULL,
    family         text NOT NULL,
    grade          text NOT NULL CHECK (grade IN ('A', 'B', 'C')),
    site_id        text NOT NULL REFERENCES site,
    outlet_id      text REFERENCES outlet,
    subject        text NOT NULL,
    factor         text,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    statistic      double precision NOT NULL,
    statistic_name text NOT NULL,
    p_value        double precision,
    null_model     text,
    sentence_zh    text NOT NULL,
    sentence_en    text NOT NULL,
    evidence       json NOT NULL,  -- json, not jsonb: the numbers keep their order and spelling
    explanations   json NOT NULL,
    parameters     json NOT NULL,
    legal_bases    text[] NOT NULL,
    found_at       timestamptz NOT NULL DEFAULT now(),
    withdrawn_run  bigint REFERENCES detection_run
);
CREATE INDEX ON finding (site_id, starts_at);

-- One row per outlet, factor and quarter; hours add up: calendar = elapsed + to come,
-- elapsed = stopped + valid + invalid. rate is null when nothing ran.
CREATE TABLE capture_rate (
    outlet_id        text NOT NULL REFERENCES outlet,
    factor           text NOT NULL,
    quarter          text NOT NULL,
    calendar_hours   integer NOT NULL,
    elapsed_hours    integer NOT NULL,
    stopped_hours    integer NOT NULL,
    valid_hours      integer NOT NULL,
    invalid_hours    integer NOT NULL,
    unbelieved_hours integer NOT NULL,
    rate             double precision,
    rate_believed    double precision,
    best_possible    double precision,
    lost_by_cause    jsonb NOT NULL,
    run_id           bigint NOT NULL REFERENCES detection_run,
    PRIMARY KEY (outlet_id, factor, quarter)
);

-- The ranking of the newest run for an outlet (outlet_id '' where a finding concerns the whole site).
CREATE TABLE ranking (
    site_id   text NOT NULL REFERENCES site,
    outlet_id text NOT NULL DEFAULT '',
    score     double precision NOT NULL,
    e_value   double precision NOT NULL,
    listed    boolean NOT NULL,
    families  text[] NOT NULL,
    run_id    bigint NOT NULL REFERENCES detection_run,
    PRIMARY KEY (site_id, outlet_id)
);

-- 线索: findings of one site merged into an episode.
CREATE TABLE clue (
    clue_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id   text NOT NULL REFERENCES site,
    state     text NOT NULL DEFAULT 'new',
    version   integer NOT NULL DEFAULT 1,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    priority  double precision NOT NULL DEFAULT 0,
    made_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON clue (state, priority DESC);

-- weight: expected consequence of the finding; the heaviest leads its clue.
CREATE TABLE clue_finding (
    clue_id    bigint NOT NULL REFERENCES clue,
    finding_id text NOT NULL UNIQUE REFERENCES finding,
    weight     double precision NOT NULL,
    PRIMARY KEY (clue_id, finding_id)
);

-- 人员 with local accounts; the password is an argon2 hash.
CREATE TABLE person (
    login         text PRIMARY KEY,
    name          text NOT NULL,
    password_hash text NOT NULL,
    roles         text[] NOT NULL,
    regions       text[] NOT NULL DEFAULT '{}',
    failures      integer NOT NULL DEFAULT 0,
    locked_until  timestamptz,
    active        boolean NOT NULL DEFAULT true
);

-- Who did what, when and why. Append-only; each row carries the hash of the one before (guarantee G7).
CREATE TABLE audit_event (
    seq       bigint PRIMARY KEY,
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    role      text NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    detail    jsonb NOT NULL,
    prev_hash bytea NOT NULL,
    hash      bytea NOT NULL UNIQUE
);
CREATE INDEX ON audit_event (subject, seq);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_event_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

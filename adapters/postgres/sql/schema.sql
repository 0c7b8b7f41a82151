-- What Transvase keeps in a database. The schema transvase holds the alias views alone; everything else is here.

-- name: install
-- Creates the control schema. Runs in one transaction at the first adoption.
CREATE SCHEMA IF NOT EXISTS transvase;
CREATE SCHEMA IF NOT EXISTS transvase_control;

CREATE TABLE IF NOT EXISTS transvase_control.edition (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    number integer NOT NULL
);
INSERT INTO transvase_control.edition (number) VALUES (1) ON CONFLICT DO NOTHING;

-- The one row that readers follow. A cutover is one UPDATE of one row here, and nothing else writes to it in between.
CREATE TABLE IF NOT EXISTS transvase_control.alias (
    name text PRIMARY KEY,
    number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    relation regclass NOT NULL,
    key_columns text[] NOT NULL,
    text_expression text NOT NULL,
    vector_column text NOT NULL,
    live text NOT NULL,
    shadow text,
    generation bigint NOT NULL DEFAULT 1,
    CHECK (live IS DISTINCT FROM shadow)
);

-- "shares" names the site of an index that came before, whose vectors it serves; empty: its site bears its own name.
CREATE TABLE IF NOT EXISTS transvase_control.index (
    name text PRIMARY KEY,
    alias text NOT NULL REFERENCES transvase_control.alias ON DELETE CASCADE,
    space jsonb,
    encoder text NOT NULL,
    text_expression text NOT NULL,
    width integer NOT NULL CHECK (width > 0),
    metric text NOT NULL CHECK (metric IN ('cosine', 'ip', 'l2')),
    form text NOT NULL CHECK (form IN ('vector', 'halfvec')),
    adopted boolean NOT NULL,
    shares text NOT NULL DEFAULT '',
    CHECK (adopted OR space IS NOT NULL)
);

-- An alias names two indexes of its own, never one that does not exist.
ALTER TABLE transvase_control.alias DROP CONSTRAINT IF EXISTS alias_live_exists;
ALTER TABLE transvase_control.alias ADD CONSTRAINT alias_live_exists
    FOREIGN KEY (live) REFERENCES transvase_control.index (name) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE transvase_control.alias DROP CONSTRAINT IF EXISTS alias_shadow_exists;
ALTER TABLE transvase_control.alias ADD CONSTRAINT alias_shadow_exists
    FOREIGN KEY (shadow) REFERENCES transvase_control.index (name) DEFERRABLE INITIALLY DEFERRED;

-- How far a fill has come; written in the transaction that wrote the rows.
CREATE TABLE IF NOT EXISTS transvase_control.place (
    index text PRIMARY KEY REFERENCES transvase_control.index ON DELETE CASCADE,
    after jsonb,
    finished boolean NOT NULL DEFAULT false,
    done bigint NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS transvase_control.worker (
    alias text PRIMARY KEY REFERENCES transvase_control.alias ON DELETE CASCADE,
    seen_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS transvase_control.migration (
    alias text NOT NULL,
    attempt integer NOT NULL,
    version integer NOT NULL,
    phase text NOT NULL,
    facts jsonb NOT NULL,
    PRIMARY KEY (alias, attempt)
);
-- At most one migration of an alias is under way.
CREATE UNIQUE INDEX IF NOT EXISTS migration_one_under_way
    ON transvase_control.migration (alias) WHERE phase NOT IN ('retired', 'aborted');

CREATE TABLE IF NOT EXISTS transvase_control.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    what text NOT NULL,
    facts jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS event_by_alias ON transvase_control.event (alias, id);

-- name: installed
-- Whether the control schema is there at all.
SELECT to_regclass('transvase_control.edition') IS NOT NULL;

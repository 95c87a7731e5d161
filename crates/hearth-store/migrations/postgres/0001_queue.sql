-- The durable queue. Times are milliseconds since 1970; texts are ordered by their bytes.
CREATE SEQUENCE hearth.entry_id;

-- One row per entry. Leasing and returning rewrite it, so large payloads are kept apart.
CREATE TABLE hearth.entry (
    id              bigint NOT NULL PRIMARY KEY,
    kind            text COLLATE "C" NOT NULL,
    lane            text COLLATE "C" NOT NULL,
    group_id        text COLLATE "C",
    put_at          bigint NOT NULL,
    -- When it may be leased next: when it is due, or when its lease ends.
    due             bigint NOT NULL,
    leases          bigint NOT NULL,
    -- Whether its last lease was not ended by returning it.
    leased          boolean NOT NULL,
    first_leased_at bigint,
    -- Whether an earlier entry of its group is there.
    behind          boolean NOT NULL,
    head            text NOT NULL,
    -- The payload; null if it is in the other table.
    body            bytea,
    body_bytes      bigint NOT NULL
) WITH (
    fillfactor = 80,
    -- Rows come and go all the time: what they leave behind is cleared by number, not by share.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
);

-- What may be leased, in the order in which it is.
CREATE INDEX entry_due ON hearth.entry (kind, lane, due, id) WHERE NOT behind;
-- A lane in the order of ids, and which lanes there are.
CREATE INDEX entry_lane ON hearth.entry (kind, lane, id);
-- A group in its order.
CREATE INDEX entry_group ON hearth.entry (kind, lane, group_id, id) WHERE group_id IS NOT NULL;

CREATE TABLE hearth.body (
    entry bigint NOT NULL PRIMARY KEY,
    bytes bytea NOT NULL
);
-- Payloads are compressed already, or not worth it.
ALTER TABLE hearth.body ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What is the same as something that was put, and until when that is remembered.
CREATE TABLE hearth.sameness (
    kind         text COLLATE "C" NOT NULL,
    lane         text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    entry        bigint NOT NULL,
    remembered   bigint NOT NULL,
    PRIMARY KEY (kind, lane, id)
);
CREATE INDEX sameness_remembered ON hearth.sameness (remembered);

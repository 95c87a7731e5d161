-- Lanes have numbers, so that entries and indexes do not repeat their names.
CREATE TABLE lane (
    id   INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT;

-- Ids up to this one may have been given, and are never given a second time, also when the latest
-- rows are gone. It goes ahead of them by the thousand: AUTOINCREMENT would write a page more in
-- each transaction.
CREATE TABLE given (
    id INTEGER NOT NULL
) STRICT;
INSERT INTO given (id) VALUES (0);

-- One row per entry.
CREATE TABLE entry (
    id              INTEGER PRIMARY KEY,
    lane            INTEGER NOT NULL,
    -- When it can be leased; while it is leased, when the lease ends. Milliseconds since 1970.
    due             INTEGER NOT NULL,
    leased          INTEGER NOT NULL DEFAULT 0,
    leases          INTEGER NOT NULL DEFAULT 0,
    first_leased_at INTEGER,
    put_at          INTEGER NOT NULL,
    group_name      TEXT,
    -- 1 as long as there is an earlier entry of the same lane and group.
    blocked         INTEGER NOT NULL,
    -- 1 if one of the same lane with a lesser id was put later: it came from another lane, or the
    -- clock was set back. All others have been there the longer the less their ids are.
    early           INTEGER NOT NULL,
    head            TEXT NOT NULL,
    body_bytes      INTEGER NOT NULL,
    -- NULL if it is large and therefore in `payload`.
    body            BLOB
) STRICT;

-- Leasing reads it from the left; counting what is delayed or leased needs nothing else.
CREATE INDEX entry_due ON entry (lane, blocked, due, id, leased);
-- Those of a lane in the order of their ids, which is that in which they were put but for the early
-- ones: pages, the oldest, and what a purge removes.
CREATE INDEX entry_lane ON entry (lane, early);
-- The oldest of those that are early. Hardly any are, so that it costs nothing as a rule; an index of
-- all by `put_at` would be a third one to write for each entry.
CREATE INDEX entry_early ON entry (lane, put_at) WHERE early = 1;
-- Who comes next in a group.
CREATE INDEX entry_group ON entry (lane, group_name) WHERE group_name IS NOT NULL;

-- Large payloads, apart: a lease writes its row anew, and should not write the payload anew.
CREATE TABLE payload (
    entry INTEGER PRIMARY KEY,
    body  BLOB NOT NULL
) STRICT;

-- What says that an entry was put before.
CREATE TABLE sameness (
    lane  INTEGER NOT NULL,
    id    TEXT NOT NULL,
    until INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    UNIQUE (lane, id)
) STRICT;

-- What can be forgotten.
CREATE INDEX sameness_until ON sameness (until);

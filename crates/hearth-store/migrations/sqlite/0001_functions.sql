-- One row per function. What it says is one document: it is read whole at start, kept in memory,
-- and written whole when it changes.
CREATE TABLE function (
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

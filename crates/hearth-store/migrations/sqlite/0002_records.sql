-- One row per record, whatever it is a record of. Functions move here from their own table.
CREATE TABLE record (
    kind     TEXT NOT NULL,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, account, region, name)
) STRICT, WITHOUT ROWID;
INSERT INTO record (kind, account, region, name, document)
    SELECT 'function', account, region, name, document FROM function;
DROP TABLE function;

-- The newest version of each key: an object, or a delete marker. Keys are kept as their bytes, whose
-- order is S3's.
CREATE TABLE newest (
    bucket    TEXT    NOT NULL,
    key       BLOB    NOT NULL,
    -- The greater, the newer.
    rank      INTEGER NOT NULL,
    version   TEXT    NOT NULL,
    is_object INTEGER NOT NULL,
    -- Whether there are files beside the database that it needs.
    has_files INTEGER NOT NULL,
    -- The upload that it was put together from.
    upload    TEXT,
    -- What it needs of the table of that name.
    piece     INTEGER,
    document  TEXT    NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID, STRICT;

-- All other versions.
CREATE TABLE older (
    bucket    TEXT    NOT NULL,
    key       BLOB    NOT NULL,
    rank      INTEGER NOT NULL,
    version   TEXT    NOT NULL,
    is_object INTEGER NOT NULL,
    has_files INTEGER NOT NULL,
    upload    TEXT,
    piece     INTEGER,
    document  TEXT    NOT NULL,
    PRIMARY KEY (bucket, key, rank DESC)
) WITHOUT ROWID, STRICT;

-- The bytes of small objects, and which files large ones consist of. Apart from the versions, so that
-- these can be listed without reading them.
CREATE TABLE piece (
    id    INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- Uploads that are not finished.
CREATE TABLE upload (
    bucket   TEXT NOT NULL,
    key      BLOB NOT NULL,
    id       TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (bucket, key, id)
) WITHOUT ROWID, STRICT;

-- Their parts.
CREATE TABLE part (
    upload   TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    document TEXT    NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID, STRICT;

-- What is to be told of changes.
CREATE TABLE note (
    id       INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

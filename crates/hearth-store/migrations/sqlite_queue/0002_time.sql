-- The latest time at which something was changed, give or take some seconds: a start whose clock was
-- set back goes on from there. In milliseconds since 1970; 0 as long as nothing was noted.
ALTER TABLE given ADD COLUMN at INTEGER NOT NULL DEFAULT 0;

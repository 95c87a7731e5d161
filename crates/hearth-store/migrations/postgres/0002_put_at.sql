-- A lane in the order in which its entries were put: what is too old is looked for by every queue, and
-- is purged from the beginning.
CREATE INDEX entry_put ON hearth.entry (kind, lane, put_at, id);

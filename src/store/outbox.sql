-- Why a document is parked, where to ask how it was judged, and when it was tried.

ALTER TABLE outbox ADD COLUMN cause TEXT;                         -- store::Cause; NULL where it is not parked
ALTER TABLE outbox ADD COLUMN poll TEXT;                          -- where the supplier says how it judged it
ALTER TABLE outbox ADD COLUMN approved INTEGER NOT NULL DEFAULT 0; -- somebody at the practice released it
ALTER TABLE outbox ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;  -- tries that failed since the last nightly instant
ALTER TABLE outbox ADD COLUMN tried_ms INTEGER;                   -- the last try

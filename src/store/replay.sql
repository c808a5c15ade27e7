-- Lines that a PBX prints a second time (call::replay).

-- NULL: nothing like it was printed before. 0: it waits until it is clear whether it was; nothing is counted of it.
-- -1: it may have been, and is counted. Else the line of the same source that it repeats.
ALTER TABLE line ADD COLUMN repeats INTEGER;

-- Lines of the day that are counted and may repeat earlier ones.
ALTER TABLE source_day ADD COLUMN may_repeat INTEGER NOT NULL DEFAULT 0;

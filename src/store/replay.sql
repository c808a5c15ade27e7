-- Lines that a PBX prints a second time (call::replay).

-- NULL: nothing like it was printed before. 0: it waits until it is clear whether it was; nothing is counted of it.
-- -1: it may have been, and is counted. Else the line of the same source that it repeats.
ALTER TABLE line ADD COLUMN repeats INTEGER;

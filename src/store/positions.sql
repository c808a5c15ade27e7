-- Lines of files that repeat lines of another source (call::align).

-- Whose line it is that `repeats` names, where it is another source's.
ALTER TABLE line ADD COLUMN repeats_source INTEGER;

-- While `repeats` is 0: where the record's numbers stand, as JSON: for each the line and the byte offset, or null.
ALTER TABLE line ADD COLUMN places TEXT;

-- What a source printed on a day is looked for when a file of that day comes.
CREATE INDEX line_of_day ON line (source, day);

-- How each PBX's clock goes (call::gauge). clock_offset_s is by days of the box's clock, as are the first two of these.

ALTER TABLE source_day ADD COLUMN clock_resolution_s INTEGER;  -- the step of its stamps
ALTER TABLE source_day ADD COLUMN clock_steps TEXT;            -- when it was moved: JSON, a list of call::gauge::Step
ALTER TABLE source_day ADD COLUMN clock_corrected_s INTEGER;   -- what was taken off the stamps of that day, by the last

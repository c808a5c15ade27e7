-- Everything the box keeps. No column of it ever holds a patient's number, a name or an account.
-- Instants are milliseconds since 1970 (`_ms`) or seconds (`slot`); civil days are days since 1970-01-01 (`day`).

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    dialect TEXT NOT NULL,
    next_seq INTEGER NOT NULL DEFAULT 1,
    state TEXT,              -- the dialect's state after the last stored line
    wall TEXT,               -- where the PBX's wall clock stands
    record_day INTEGER,      -- civil day of the last record, and when it came: other lines are counted with it
    record_at_ms INTEGER,
    forgotten INTEGER NOT NULL DEFAULT 0  -- lines that are counted and kept no more
) STRICT;

-- A file that was imported, or is being: a source of its own.
CREATE TABLE import (
    source INTEGER PRIMARY KEY,
    of TEXT NOT NULL,         -- the source whose PBX wrote it
    options TEXT NOT NULL,    -- of the dialect, as JSON
    assume_year INTEGER,
    began_ms INTEGER NOT NULL,-- when the box received its lines
    touched_ms INTEGER NOT NULL, -- when the last of them came
    oldest INTEGER NOT NULL,  -- first day whose lines and calls are kept
    lines INTEGER NOT NULL,   -- how many lines of the file are in,
    hash TEXT NOT NULL,       -- SHA-256 of what they say without numbers, names and accounts
    head TEXT,                -- the same of its first lines, for finding it again
    overlap INTEGER NOT NULL, -- what falls among other calls is counted too: the operator said so
    done INTEGER NOT NULL
) STRICT;

CREATE TABLE line (
    source INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,  -- when the box received it
    day INTEGER NOT NULL,    -- the civil day it is counted in
    kind INTEGER NOT NULL,   -- record::LineKind
    text BLOB NOT NULL,      -- masked; a shape where no rule understands it
    reason TEXT,             -- why it is not understood
    col INTEGER,
    idle INTEGER NOT NULL DEFAULT 0,  -- the line after which silence closed an open group
    shape INTEGER NOT NULL DEFAULT 0, -- only the shape of it is kept
    record TEXT,             -- the record it carries, without numbers
    call_seq INTEGER,        -- the call that the record belongs to
    PRIMARY KEY (source, seq)
) WITHOUT ROWID, STRICT;

CREATE TABLE number (
    source INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    start INTEGER NOT NULL,  -- byte offset in the line
    class INTEGER NOT NULL,
    digits INTEGER NOT NULL,
    peer INTEGER,
    token INTEGER,           -- NULL once the day is rolled up
    own TEXT,                -- only the practice's own numbers, stations and public codes
    PRIMARY KEY (source, seq, start)
) WITHOUT ROWID, STRICT;

CREATE TABLE call (
    source INTEGER NOT NULL,
    seq INTEGER NOT NULL,    -- the line of its first leg
    ods TEXT NOT NULL,
    site TEXT NOT NULL,
    day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    arrival_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    outcome INTEGER,
    rule TEXT NOT NULL,
    wait_s INTEGER,
    talk_s INTEGER,
    answered INTEGER,
    not_people INTEGER NOT NULL,
    callback_made INTEGER NOT NULL,
    later_s INTEGER NOT NULL,
    earlier_s INTEGER NOT NULL,
    trunk TEXT,
    class INTEGER,
    peer INTEGER,
    token INTEGER,
    open INTEGER NOT NULL,
    legs INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    PRIMARY KEY (source, seq)
) WITHOUT ROWID, STRICT;
CREATE INDEX call_of_day ON call (day, ods, site);

CREATE TABLE counter (
    ods TEXT NOT NULL,
    site TEXT NOT NULL,
    slot INTEGER NOT NULL,
    metric INTEGER NOT NULL, -- aggregate::count::Metric
    n INTEGER NOT NULL,
    PRIMARY KEY (ods, site, slot, metric)
) WITHOUT ROWID, STRICT;

CREATE TABLE line_count (
    source INTEGER NOT NULL,
    day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (source, day, kind)
) WITHOUT ROWID, STRICT;

CREATE TABLE source_day (
    source INTEGER NOT NULL,
    day INTEGER NOT NULL,
    clock_offset_s INTEGER,  -- PBX clock minus box clock
    first_seq INTEGER,       -- the next line when the day was closed, and the states then:
    state TEXT,              -- a rebuild may begin here
    wall TEXT,
    line_errors INTEGER NOT NULL DEFAULT 0,  -- bytes received in error, and breaks
    stripped INTEGER NOT NULL DEFAULT 0,     -- control bytes taken out of lines
    cut INTEGER NOT NULL DEFAULT 0,          -- bytes cut off over-long lines
    from_s INTEGER,          -- first and last stamp of a record of that day, in seconds of the PBX's wall clock
    to_s INTEGER,
    forgotten_calls INTEGER NOT NULL DEFAULT 0, -- calls that are counted and kept no more
    PRIMARY KEY (source, day)
) WITHOUT ROWID, STRICT;

CREATE TABLE day (
    ods TEXT NOT NULL,
    site TEXT NOT NULL,
    day INTEGER NOT NULL,
    closed_ms INTEGER,       -- NULL while it is open
    changed INTEGER NOT NULL DEFAULT 0,
    rolled INTEGER NOT NULL DEFAULT 0,  -- 1 tokens gone, 2 peers renumbered too
    PRIMARY KEY (ods, site, day)
) WITHOUT ROWID, STRICT;

CREATE TABLE outbox (
    ods TEXT NOT NULL,
    site TEXT NOT NULL,
    day INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,     -- pending, receipted, parked, held, superseded
    attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    receipt TEXT,
    PRIMARY KEY (ods, site, day, revision)
) WITHOUT ROWID, STRICT;

CREATE TABLE dropped_file (  -- files of drop folders that are being read, or are not removed yet
    file TEXT PRIMARY KEY,   -- what smdrd called it; never the name it came under
    source INTEGER NOT NULL,
    read_to INTEGER NOT NULL, -- bytes of it whose lines are stored
    whole INTEGER NOT NULL   -- its end is stored too
) WITHOUT ROWID, STRICT;

CREATE TABLE link (source INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER, cause TEXT,
    PRIMARY KEY (source, from_ms)) WITHOUT ROWID, STRICT;

CREATE TABLE audit (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    hash TEXT NOT NULL) STRICT;

-- What kept the box from seeing, or from seeing rightly, with start and end; and what each source was heard to say.

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: who has seen one knows it
    source INTEGER,          -- NULL: the whole box
    from_ms INTEGER NOT NULL,
    to_ms INTEGER,           -- NULL while it lasts
    cause TEXT NOT NULL,     -- store::EventCause
    what TEXT NOT NULL,      -- in words, without a number of anybody
    n INTEGER                -- sequence-gap: records that are missing; clock-doubt: seconds of doubt; else NULL
) STRICT;
-- A cause is open once a source.
CREATE UNIQUE INDEX event_open ON event (coalesce(source, -1), cause) WHERE to_ms IS NULL;
CREATE INDEX event_from ON event (from_ms);

-- What earlier versions kept of links that went down, and came up again.
INSERT INTO event (source, from_ms, to_ms, cause, what)
    SELECT source, to_ms, next, CASE WHEN word IN ('not-running', 'stopping') THEN 'not-running' ELSE 'link-down' END, word
    FROM (SELECT source, to_ms, cause AS word, lead(from_ms) OVER (PARTITION BY source ORDER BY from_ms) AS next FROM link)
    WHERE to_ms IS NOT NULL AND word IS NOT NULL AND (next IS NULL OR next > to_ms) ORDER BY to_ms;

-- How often a source was heard: moments (ten seconds with a line) in five minutes of the box's clock.
CREATE TABLE heard (
    source INTEGER NOT NULL,
    at INTEGER NOT NULL,     -- first second of the five minutes
    n INTEGER NOT NULL,
    PRIMARY KEY (source, at)
) WITHOUT ROWID, STRICT;

INSERT INTO heard
    SELECT source, at_ms / 300000 * 300, count(DISTINCT at_ms / 10000) FROM line
    WHERE kind NOT IN (3, 4) AND source NOT IN (SELECT source FROM import) GROUP BY 1, 2;

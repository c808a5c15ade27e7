-- Where the kept lines of a source begin, and how the source stood there, once older lines are kept no more: a rebuild
-- begins with it.
CREATE TABLE beginning (
    source INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    state TEXT NOT NULL,     -- the dialect's state before that line,
    wall TEXT NOT NULL       -- and where the PBX's wall clock stood
) STRICT;

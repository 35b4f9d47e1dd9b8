CREATE TABLE trail (
  sequence INTEGER PRIMARY KEY,
  position INTEGER,
  account TEXT NOT NULL,
  time INTEGER NOT NULL,
  terms BLOB,
  record TEXT NOT NULL
);
INSERT INTO trail (sequence, position, account, time, record) SELECT sequence, position, account, time, record FROM records;
DROP TABLE record_resources;
DROP TABLE records;
ALTER TABLE trail RENAME TO records;
CREATE UNIQUE INDEX records_position ON records (position) WHERE position IS NOT NULL;
CREATE INDEX records_open ON records (sequence) WHERE position IS NULL;
CREATE TABLE segments (
  last INTEGER PRIMARY KEY,
  earliest INTEGER NOT NULL,
  latest INTEGER NOT NULL,
  members BLOB NOT NULL
);
CREATE INDEX segments_earliest ON segments (earliest, latest);
CREATE INDEX segments_latest ON segments (latest, earliest);
CREATE TABLE segment_terms (
  id INTEGER PRIMARY KEY,
  entries BLOB NOT NULL
);
INSERT INTO positions (name, value) VALUES ('indexed', 0);

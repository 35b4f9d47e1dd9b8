CREATE TABLE holds (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  id TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (account, kind, target, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX holds_id ON holds (account, id);
CREATE INDEX records_age ON records (time) WHERE position IS NOT NULL;
CREATE INDEX events_age ON events (time);

ALTER TABLE events ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN resources TEXT NOT NULL DEFAULT '';
CREATE TABLE deliveries (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL,
  target TEXT NOT NULL,
  lane TEXT NOT NULL,
  state TEXT NOT NULL,
  due INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  enqueued INTEGER NOT NULL,
  finished INTEGER NOT NULL DEFAULT 0,
  subject TEXT NOT NULL,
  event BLOB,
  input BLOB,
  header TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_due ON deliveries (target, due, sequence) WHERE state = 'waiting' AND due IS NOT NULL;
CREATE INDEX deliveries_lane ON deliveries (target, lane, sequence) WHERE state = 'waiting';
CREATE INDEX deliveries_finished ON deliveries (finished) WHERE finished > 0;
CREATE INDEX deliveries_account ON deliveries (account, finished) WHERE finished > 0;

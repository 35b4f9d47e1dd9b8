CREATE TABLE jobs (
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  queue TEXT NOT NULL,
  status TEXT NOT NULL,
  token TEXT,
  record TEXT NOT NULL,
  started INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_token ON jobs (account, token) WHERE token IS NOT NULL;
CREATE INDEX jobs_status ON jobs (account, status, id);
CREATE INDEX jobs_queue ON jobs (account, queue, id);
CREATE INDEX jobs_queue_status ON jobs (account, queue, status, id);
CREATE TABLE tasks (
  id TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  state TEXT NOT NULL,
  priority INTEGER NOT NULL,
  created INTEGER NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  worker TEXT NOT NULL DEFAULT '',
  deadline INTEGER NOT NULL DEFAULT 0,
  reported INTEGER NOT NULL DEFAULT 0,
  uploads TEXT NOT NULL DEFAULT '[]',
  FOREIGN KEY (account, job) REFERENCES jobs (account, id)
) WITHOUT ROWID;
CREATE INDEX tasks_waiting ON tasks (priority DESC, created, id) WHERE state = 'waiting';
CREATE INDEX tasks_leased ON tasks (deadline) WHERE state = 'leased';
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  status TEXT NOT NULL,
  time INTEGER NOT NULL,
  detail TEXT NOT NULL
);
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  record TEXT NOT NULL
);

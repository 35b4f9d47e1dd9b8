CREATE TABLE resources (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  category TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  queue TEXT NOT NULL DEFAULT '',
  paused INTEGER NOT NULL DEFAULT 0,
  concurrent INTEGER NOT NULL DEFAULT 0,
  record TEXT NOT NULL,
  PRIMARY KEY (account, kind, name)
) WITHOUT ROWID;
CREATE INDEX resources_created ON resources (account, kind, created, name);
CREATE INDEX resources_category ON resources (account, kind, category, name);
CREATE INDEX resources_category_created ON resources (account, kind, category, created, name);
CREATE INDEX resources_queue ON resources (queue) WHERE queue <> '';
CREATE TABLE facets (
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  job TEXT NOT NULL,
  PRIMARY KEY (account, name, value, job)
) WITHOUT ROWID;
CREATE INDEX facets_job ON facets (account, job);
ALTER TABLE jobs ADD COLUMN finished INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_finished ON jobs (finished) WHERE finished > 0;
ALTER TABLE tasks ADD COLUMN queue TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN hop INTEGER NOT NULL DEFAULT 0;
UPDATE tasks SET queue = (SELECT queue FROM jobs WHERE jobs.account = tasks.account AND jobs.id = tasks.job);
UPDATE jobs SET finished = 1 WHERE status IN ('COMPLETE', 'ERROR', 'CANCELED');
DROP INDEX tasks_waiting;
CREATE INDEX tasks_waiting ON tasks (queue, priority DESC, created, id) WHERE state = 'waiting';
CREATE INDEX tasks_leased_queue ON tasks (queue) WHERE state = 'leased';
CREATE INDEX tasks_hop ON tasks (hop) WHERE state = 'waiting' AND hop > 0;
CREATE INDEX tasks_job ON tasks (account, job);

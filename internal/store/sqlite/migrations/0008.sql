CREATE TABLE readers (
  name TEXT NOT NULL PRIMARY KEY,
  position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX records_user ON records (account, username, time);
CREATE INDEX records_access ON records (account, access, time);
CREATE INDEX records_source ON records (account, source, time);
CREATE INDEX records_request ON records (request);
CREATE INDEX records_writes ON records (account, time) WHERE readonly = 0;
CREATE INDEX records_outcome ON records (account, outcome, time) WHERE outcome <> 'granted';
CREATE INDEX records_trouble ON records (account, principal, time) WHERE outcome <> 'granted';
CREATE INDEX resources_of ON record_resources (sequence, type);

CREATE TABLE entries (
  registry TEXT NOT NULL,
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (registry, account, kind, id)
) WITHOUT ROWID;
INSERT INTO entries SELECT 'identities', account, kind, id, record FROM identities;
DROP TABLE identities;
CREATE TABLE registries (
  registry TEXT NOT NULL,
  account TEXT NOT NULL,
  generation INTEGER NOT NULL,
  PRIMARY KEY (registry, account)
) WITHOUT ROWID;
INSERT INTO registries SELECT 'identities', account, generation FROM generations;
DROP TABLE generations;

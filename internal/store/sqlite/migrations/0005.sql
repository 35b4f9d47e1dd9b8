CREATE TABLE records (
  sequence INTEGER PRIMARY KEY,
  position INTEGER,
  account TEXT NOT NULL,
  time INTEGER NOT NULL,
  principal TEXT NOT NULL,
  username TEXT NOT NULL,
  source TEXT NOT NULL,
  name TEXT NOT NULL,
  access TEXT NOT NULL,
  event TEXT NOT NULL,
  request TEXT NOT NULL,
  category TEXT NOT NULL,
  readonly INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  record TEXT NOT NULL
);
CREATE UNIQUE INDEX records_position ON records (position) WHERE position IS NOT NULL;
CREATE INDEX records_open ON records (sequence) WHERE position IS NULL;
CREATE INDEX records_time ON records (account, time);
CREATE INDEX records_principal ON records (account, principal, time);
CREATE INDEX records_name ON records (account, name, time);
CREATE INDEX records_event ON records (event);
CREATE TABLE record_resources (
  account TEXT NOT NULL,
  resource TEXT NOT NULL,
  time INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  type TEXT NOT NULL,
  PRIMARY KEY (account, resource, time, sequence)
) WITHOUT ROWID;
CREATE TABLE positions (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO positions (name, value) VALUES ('records', 0), ('sequence', 0);
INSERT INTO records (sequence, position, account, time, principal, username, source, name, access, event, request, category, readonly, outcome, record)
SELECT sequence, sequence, coalesce(nullif(substr(record ->> 'Principal', 14, 12), ''), ''), time, coalesce(record ->> 'Principal', ''), '',
  coalesce(record ->> 'Service', '') || '.amazonaws.com', coalesce(record ->> 'Action', ''), coalesce(record ->> 'AccessKeyID', ''), 'earlier-' || sequence,
  coalesce(record ->> 'RequestID', ''), 'Management', 0, coalesce(record ->> 'Outcome', ''),
  json_object('eventVersion', '1.11', 'userIdentity', json_object('type', 'Unknown', 'arn', record ->> 'Principal', 'accessKeyId', record ->> 'AccessKeyID'),
    'eventTime', strftime('%Y-%m-%dT%H:%M:%SZ', time / 1000000, 'unixepoch'), 'eventSource', coalesce(record ->> 'Service', '') || '.amazonaws.com',
    'eventName', record ->> 'Action', 'awsRegion', '', 'sourceIPAddress', coalesce(record ->> 'SourceIP', ''), 'userAgent', coalesce(record ->> 'UserAgent', ''),
    'requestParameters', NULL, 'responseElements', NULL, 'requestID', coalesce(record ->> 'RequestID', ''), 'eventID', 'earlier-' || sequence, 'readOnly', json('false'),
    'eventType', 'AwsServiceEvent', 'managementEvent', json('true'), 'recipientAccountId', coalesce(nullif(substr(record ->> 'Principal', 14, 12), ''), ''),
    'serviceEventDetails', json_object('outcome', record ->> 'Outcome', 'reason', coalesce(record ->> 'Reason', ''), 'dial', json(record -> 'Dial')), 'eventCategory', 'Management')
FROM audit;
UPDATE positions SET value = coalesce((SELECT max(sequence) FROM records), 0);
DROP TABLE audit;

-- KEYS: head; for the system scope also the store's record. Answers where the scope stands, the replication id of this server, under which birth the scope
-- began, the birth that the record has, and why
-- the store is refused. Revision 0: the scope was dropped.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash', 'lineage', 'cp_epoch', 'cp_revision', 'cp_hash')
h[8] = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
h[9] = redis.call('HGET', KEYS[1], 'birth')
h[10] = KEYS[2] and redis.call('HGET', KEYS[2], 'birth') or false
h[11] = KEYS[2] and redis.call('HGET', KEYS[2], 'lost') or false
return h

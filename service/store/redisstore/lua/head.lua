-- KEYS: head, gone. Answers where the scope stands, the replication id of this server, and whether the scope was dropped.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash', 'lineage', 'cp_epoch', 'cp_revision', 'cp_hash')
h[8] = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
h[9] = redis.call('EXISTS', KEYS[2])
return h

-- KEYS: head. Answers where the scope stands, and the replication id of this server. Revision 0: the scope was dropped.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash', 'lineage', 'cp_epoch', 'cp_revision', 'cp_hash')
h[8] = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
return h

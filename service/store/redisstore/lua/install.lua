-- KEYS: head, docs, log, the staged docs and log. ARGV: epoch, revision, hash of the head; epoch, revision, hash of the checkpoint; how many staged keys there
-- are; the store's birth. The epoch is at least that which a dropped scope of the same name has left. Answers exists, lost (the stage has expired), or ok.
local left = redis.call('HMGET', KEYS[1], 'epoch', 'revision')
if left[1] and left[2] ~= '0' then return 'exists' end
if redis.call('EXISTS', KEYS[4]) + redis.call('EXISTS', KEYS[5]) ~= tonumber(ARGV[7]) then return 'lost' end
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local epoch = math.max(tonumber(ARGV[1]), tonumber(left[1] or '0'))
for from, to in pairs({[KEYS[4]] = KEYS[2], [KEYS[5]] = KEYS[3]}) do
	redis.call('DEL', to)
	if redis.call('EXISTS', from) == 1 then
		redis.call('RENAME', from, to)
		redis.call('PERSIST', to)
	end
end
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'revision', ARGV[2], 'hash', ARGV[3], 'lineage', replid, 'birth', ARGV[8],
	'cp_epoch', ARGV[4], 'cp_revision', ARGV[5], 'cp_hash', ARGV[6])
return 'ok'

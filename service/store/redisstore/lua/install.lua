-- KEYS: head, docs, log, gone, the staged docs and log. ARGV: epoch, revision, hash of the head; epoch, revision, hash of the checkpoint; raise or ''.
-- The new epoch is above that of a scope of the same name that was dropped, if raise says so. Answers exists, lost (the stage has expired), or ok.
if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end
if redis.call('EXISTS', KEYS[5]) + redis.call('EXISTS', KEYS[6]) ~= tonumber(ARGV[8]) then return 'lost' end
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local epoch = tonumber(ARGV[1])
if ARGV[7] ~= '' then epoch = math.max(epoch, tonumber(redis.call('GET', KEYS[4]) or '0')) + 1 end
for from, to in pairs({[KEYS[5]] = KEYS[2], [KEYS[6]] = KEYS[3]}) do
	redis.call('DEL', to)
	if redis.call('EXISTS', from) == 1 then
		redis.call('RENAME', from, to)
		redis.call('PERSIST', to)
	end
end
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch), 'revision', ARGV[2], 'hash', ARGV[3], 'lineage', replid,
	'cp_epoch', ARGV[4], 'cp_revision', ARGV[5], 'cp_hash', ARGV[6])
redis.call('DEL', KEYS[4])
return 'ok'

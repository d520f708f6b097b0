-- KEYS: head, log, gone. ARGV: epoch, revision, hash of what the caller knows; revision 0: nothing.
-- Answers what was done (none, same, kept, raised), and the head, checkpoint and tombstone like head.lua.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash', 'lineage', 'cp_epoch', 'cp_revision', 'cp_hash')
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local did = 'none'
if h[1] then
	local broken = h[4] ~= replid
	local epoch, revision, cp = tonumber(h[1]), tonumber(h[2]), tonumber(h[6] or '0')
	local kepoch, krevision, khash = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
	-- Whoever knows nothing, or an earlier epoch, cannot vouch for a server whose lineage is new; neither contradicts one whose is not.
	local continues = not broken
	if krevision > 0 and kepoch > epoch then
		continues = false
	elseif krevision > 0 and kepoch == epoch then
		if krevision == revision then
			continues = khash == h[3]
		elseif krevision > revision then
			continues = false
		elseif krevision == cp then
			continues = khash == h[7]
		elseif krevision > cp then
			local id = '0-' .. ARGV[2]
			local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
			continues = entry ~= nil and entry[2][1] == 'h' and entry[2][2] == khash
		end
	end
	did = 'same'
	if not continues then
		did = 'raised'
		if krevision > 0 and kepoch > epoch then epoch = kepoch end
		h[1] = string.format('%.0f', epoch + 1)
	elseif broken then
		did = 'kept'
	end
	if did ~= 'same' then
		h[4] = replid
		redis.call('HDEL', KEYS[1], '') -- as in commit.lua: this must also work above the memory limit
		redis.call('HSET', KEYS[1], 'epoch', h[1], 'lineage', replid, 'since_revision', h[2], 'since_hash', h[3])
	end
end
h[8] = replid
h[9] = redis.call('EXISTS', KEYS[3])
h[10] = did
return h

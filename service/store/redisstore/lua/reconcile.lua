-- KEYS: head, log. ARGV: epoch, revision, hash of what the caller knows, revision 0: nothing; adopted or ''; the birth that the head
-- was seen to have; the replication id of a server whose append-only file is not written anew yet, or ''. Answers like head.lua, and then what was done: none, same, kept, raised, or moved: it is another head than was seen.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash', 'lineage', 'cp_epoch', 'cp_revision', 'cp_hash')
h[9] = redis.call('HGET', KEYS[1], 'birth')
h[10] = false
h[11] = false
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
h[8] = replid
local did = 'none'
if h[1] and (h[9] or '') ~= ARGV[5] then
	h[12] = 'moved'
	return h
end
if h[1] then
	local broken = h[4] ~= replid and h[2] ~= '0'
	local epoch, revision, cp = tonumber(h[1]), tonumber(h[2]), tonumber(h[6] or '0')
	local kepoch, krevision, khash = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
	-- Whoever knows nothing, or an earlier epoch, cannot vouch for a server whose lineage is new; neither contradicts one whose is not.
	local continues = not broken
	if kepoch > epoch then
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
		h[1] = string.format('%.0f', math.max(epoch, kepoch) + 1)
	elseif broken then
		did = 'kept'
	end
	if did ~= 'same' then
		h[4] = replid
		redis.call('HDEL', KEYS[1], '') -- as in commit.lua: this must also work above the memory limit
		if broken then
			if ARGV[6] == '' then redis.call('HDEL', KEYS[1], 'doubt') else redis.call('HSET', KEYS[1], 'doubt', ARGV[6]) end
		end
		redis.call('HSET', KEYS[1], 'epoch', h[1], 'lineage', replid, 'since_revision', h[2], 'since_hash', h[3])
	end
end
if not h[1] and ARGV[4] ~= '' then
	-- The operator gave up what was known: the scope begins anew, in an epoch that nobody has seen.
	did = 'raised'
	h = {string.format('%.0f', ARGV[1] + 1), '0', string.rep('0', 64), replid, false, false, false, replid, false, false, false}
	redis.call('HSET', KEYS[1], 'epoch', h[1], 'revision', h[2], 'hash', h[3])
end
h[12] = did
return h

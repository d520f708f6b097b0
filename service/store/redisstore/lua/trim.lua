-- KEYS: head, log. ARGV: revision of the checkpoint as it was; epoch, revision, hash of the new one, which is the last entry to drop; the id after it.
local h = redis.call('HMGET', KEYS[1], 'revision', 'cp_revision')
if not h[1] or (h[2] or '0') ~= ARGV[1] or tonumber(ARGV[3]) >= tonumber(h[1]) then return 'moved' end
local entry = redis.call('XRANGE', KEYS[2], '0-' .. ARGV[3], '0-' .. ARGV[3])[1]
if not entry or entry[2][2] ~= ARGV[4] then return 'moved' end
redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[5])
redis.call('HSET', KEYS[1], 'cp_epoch', ARGV[2], 'cp_revision', ARGV[3], 'cp_hash', ARGV[4])
return 'ok'

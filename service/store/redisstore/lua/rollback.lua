-- KEYS: head, docs, log, idem, idem-end. ARGV: epoch, revision, hash of the head; id and hash of the entry after it; n; n times field and document to put back; m; m
-- fields to delete; the ids of idempotency records of that entry. Takes back an entry that is in the log and was never committed, unless anything has changed.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash')
if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] or h[3] ~= ARGV[3] then return 'moved' end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', '1')[1]
if not last or last[1] ~= ARGV[4] or last[2][2] ~= ARGV[5] then return 'moved' end
local at = 7
for _ = 1, tonumber(ARGV[6]) do
	redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
	at = at + 2
end
local deletes = tonumber(ARGV[at])
for i = at + 1, at + deletes do redis.call('HDEL', KEYS[2], ARGV[i]) end
for i = at + deletes + 1, #ARGV do
	redis.call('HDEL', KEYS[4], ARGV[i])
	redis.call('ZREM', KEYS[5], ARGV[i])
end
redis.call('XDEL', KEYS[3], ARGV[4])
redis.call('XSETID', KEYS[3], '0-' .. ARGV[2])
return 'ok'

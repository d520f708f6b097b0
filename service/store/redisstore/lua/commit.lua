-- KEYS: head, docs, log, idem, idem-end; for the first commit of the system scope also the store's record
-- ARGV: base epoch, revision, hash; epoch, hash; entry; id of the idempotency key or '', its record, ms that it is kept; urgent or '';
--       ms that the clock is ahead (0 but in tests); the store's birth, for a first commit; n; n times field and document to put; the fields to delete
-- Answers ok, followed by the server's replication id while its append-only file is in doubt (rewrite.go); or why nothing was done.
-- All checks precede the first write: Redis does not undo what a script did before it failed.
local h = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'hash', 'lineage', 'doubt')
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[11]
if ARGV[7] ~= '' then
	local ends = redis.call('ZSCORE', KEYS[5], ARGV[7])
	if ends and tonumber(ends) > now then return 'duplicate' end
end
if h[1] and h[2] ~= '0' and h[4] ~= replid then return 'lineage' end
if (h[1] or '0') ~= ARGV[1] or (h[2] or '0') ~= ARGV[2] or (h[3] or string.rep('0', 64)) ~= ARGV[3] then return 'conflict' end
if KEYS[6] then
	local record = redis.call('HMGET', KEYS[6], 'birth', 'lost')
	if record[2] and (h[2] or '0') == '0' then return 'emptied' end
	if record[1] ~= ARGV[12] then return 'conflict' end
end
local revision = string.format('%.0f', ARGV[2] + 1)

-- Above its memory limit Redis refuses a script's writes, unless it has already made one that needs no memory.
if ARGV[10] ~= '' then redis.call('HDEL', KEYS[1], '') end
-- The first real write is the one that checks most: the log must not have this revision, or a later one.
redis.call('XADD', KEYS[3], '0-' .. revision, 'h', ARGV[5], 'e', ARGV[6])
local puts = tonumber(ARGV[13])
local at = 14
for _ = 1, puts do
	redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
	at = at + 2
end
for i = at, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
if ARGV[7] ~= '' then
	redis.call('HSET', KEYS[4], ARGV[7], ARGV[8])
	redis.call('ZADD', KEYS[5], now + ARGV[9], ARGV[7])
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 16)) do
	redis.call('HDEL', KEYS[4], id)
	redis.call('ZREM', KEYS[5], id)
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[4], 'revision', revision, 'hash', ARGV[5], 'lineage', replid)
if ARGV[2] == '0' then redis.call('HSET', KEYS[1], 'birth', ARGV[12]) end
return h[5] == replid and 'ok ' .. replid or 'ok'

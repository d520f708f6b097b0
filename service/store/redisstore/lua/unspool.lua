-- KEYS: a list of revision, hash, entry, newest first; the stream that it becomes. ARGV: how many entries. Answers how many elements remain.
for _ = 1, tonumber(ARGV[1]) do
	local entry = redis.call('RPOP', KEYS[1])
	if not entry then break end
	local hash = redis.call('RPOP', KEYS[1])
	redis.call('XADD', KEYS[2], '0-' .. redis.call('RPOP', KEYS[1]), 'h', hash, 'e', entry)
end
return redis.call('LLEN', KEYS[1])

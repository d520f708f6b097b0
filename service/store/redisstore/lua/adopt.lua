-- KEYS: the store's record, the operator's word, the head of the system scope. ARGV: the new word. Whatever anybody missed here is given up; a store that holds
-- nothing any more is born again with its next commit.
redis.call('HDEL', KEYS[1], '') -- as in commit.lua: this must also work above the memory limit
local record = redis.call('HGETALL', KEYS[1])
for i = 1, #record, 2 do
	local other = string.match(record[i], '^other:(.*)$')
	if record[i] == 'birth' and redis.call('EXISTS', KEYS[3]) == 0 then other = record[i + 1] end
	if other then redis.call('HSET', KEYS[1], 'gone:' .. other, ARGV[1]) end
	if other or record[i] == 'lost' then redis.call('HDEL', KEYS[1], record[i]) end
end
redis.call('SET', KEYS[2], ARGV[1])
return 'ok'

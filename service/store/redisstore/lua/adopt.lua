-- KEYS: the store's record, the operator's word, the head of the system scope. ARGV: something random. Answers the new word, which is above those before: an old one
-- that an older dump brings back is not taken for a new one. Whatever anybody missed here is given up; a store that holds
-- nothing any more is born again with its next commit.
local t = redis.call('TIME')
local word = string.format('t%.0f-', t[1] * 1000 + math.floor(t[2] / 1000)) .. ARGV[1] -- above the words of earlier versions, which were hexadecimal
local old = redis.call('GET', KEYS[2])
if old and word <= old then word = old .. '+' end
redis.call('HDEL', KEYS[1], '') -- as in commit.lua: this must also work above the memory limit
local record = redis.call('HGETALL', KEYS[1])
for i = 1, #record, 2 do
	local other = string.match(record[i], '^other:(.*)$')
	if record[i] == 'birth' and redis.call('EXISTS', KEYS[3]) == 0 then other = record[i + 1] end
	if other then redis.call('HSET', KEYS[1], 'gone:' .. other, word) end
	if other or record[i] == 'lost' then redis.call('HDEL', KEYS[1], record[i]) end
end
redis.call('SET', KEYS[2], word)
return word

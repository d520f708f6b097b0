-- KEYS: the store's record, the operator's word, the head of the system scope. ARGV: the scope whose head is missing; the word that the caller had taken note of
-- when it knew the scope; what it knew, or ''; the birth that it follows, or ''.
-- Answers what is to be made of it: lost and why, adopted and the word, or nothing. A loss is written down first, so that a process that starts later, and
-- knows nothing, refuses the store as well. The check and the mark are one step: a mark cannot come after the adoption that is about it.
local record = redis.call('HMGET', KEYS[1], 'lost', 'scope:' .. ARGV[1])
local word = redis.call('GET', KEYS[2]) or ''
if record[1] then return {'lost', record[1]} end
if ARGV[3] ~= '' then
	if word > ARGV[2] then return {'adopted', word} end
	redis.call('HDEL', KEYS[1], '') -- as in commit.lua: this must also work above the memory limit
	redis.call('HSET', KEYS[1], 'scope:' .. ARGV[1], '1')
	if ARGV[4] ~= '' then redis.call('HSETNX', KEYS[1], 'other:' .. ARGV[4], ARGV[3]) end
	if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('HSET', KEYS[1], 'lost', ARGV[3]) end
	return {'lost', ARGV[3]}
end
if record[2] then return {'lost', 'there were data of it'} end
return {'nothing', word}

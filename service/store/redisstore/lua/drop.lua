-- KEYS: head, then everything else of the scope. What is left is a head without a revision, in the epoch after the last.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local revision = redis.call('HGET', KEYS[1], 'revision')
local birth = redis.call('HGET', KEYS[1], 'birth')
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
if revision and revision ~= '0' then
	redis.call('UNLINK', KEYS[1])
	redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch + 1), 'revision', '0', 'hash', string.rep('0', 64))
	if birth then redis.call('HSET', KEYS[1], 'birth', birth) end
end
return 'ok'

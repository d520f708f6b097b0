-- KEYS: the store's record. ARGV: the birth of a store that has none; anyway or ''. Answers the birth that holds, or lost.
local record = redis.call('HMGET', KEYS[1], 'birth', 'lost')
if record[1] then return record[1] end
if record[2] and ARGV[2] == '' then return 'lost' end
redis.call('HSET', KEYS[1], 'birth', ARGV[1])
return ARGV[1]

-- KEYS: idem, idem-end. ARGV: id, ms that the clock is ahead. Answers the record, or nil when there is none or it has expired.
local t = redis.call('TIME')
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not ends or tonumber(ends) <= t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2] then return false end
return redis.call('HGET', KEYS[1], ARGV[1])

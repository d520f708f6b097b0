-- KEYS: log. ARGV: the newest and the oldest revision that are asked for; how many entries at most, and after how many bytes of them to stop.
-- Answers entries as XREVRANGE does, at least one if there is one: neither Redis nor who asks ever holds much more than those bytes.
local out, bytes = {}, 0
local id = '0-' .. ARGV[1]
repeat
	local entry = redis.call('XREVRANGE', KEYS[1], id, '0-' .. ARGV[2], 'COUNT', '1')[1]
	if not entry then break end
	out[#out + 1] = entry
	for _, value in ipairs(entry[2]) do bytes = bytes + #value end
	local below = tonumber(string.match(entry[1], '%-(%d+)$')) - 1
	id = '0-' .. string.format('%.0f', below)
until below < tonumber(ARGV[2]) or #out >= tonumber(ARGV[3]) or bytes >= tonumber(ARGV[4])
return out

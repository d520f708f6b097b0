-- KEYS: head, gone, then everything else of the scope. ARGV: ms that the tombstone is kept.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
if epoch then
	redis.call('UNLINK', KEYS[1])
	redis.call('SET', KEYS[2], epoch, 'PX', ARGV[1])
end
return 'ok'

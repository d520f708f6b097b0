package evaluator

// Fingerprint is what a list stores of a key: murmur3_x64_128 of salt, "/" and key, its halves big-endian. Its first byte is its shard.
func Fingerprint(salt, key string) [16]byte { panic("not written yet") }

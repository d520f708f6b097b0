package evaluator

import (
	"encoding/binary"
	"math/bits"
)

// The hash line, frozen for ever ("h1"). A bucket is murmur3_x86_32(salt "/" stage "/" key) scaled to 0…99999. The salt has 12
// characters and the stage 6, so what stands before the key is always 20 bytes: five whole blocks, which are hashed once when the
// flag is compiled; an evaluation hashes the key alone.
const (
	stageExpose = "expose"
	stageAssign = "assign"
	saltLength  = 12
	prefixBytes = saltLength + 1 + len(stageExpose) + 1
)

const (
	murmur32c1 = 0xcc9e2d51
	murmur32c2 = 0x1b873593
)

// hashPrefix is the state of murmur3_x86_32 after salt "/" stage "/".
func hashPrefix(salt, stage string) uint32 {
	h := uint32(0)
	prefix := salt + "/" + stage + "/"
	for ; len(prefix) >= 4; prefix = prefix[4:] {
		h = mix32(h, uint32(prefix[0])|uint32(prefix[1])<<8|uint32(prefix[2])<<16|uint32(prefix[3])<<24)
	}
	return h
}

func mix32(h, k uint32) uint32 {
	k *= murmur32c1
	k = bits.RotateLeft32(k, 15)
	k *= murmur32c2
	h ^= k
	h = bits.RotateLeft32(h, 13)
	return h*5 + 0xe6546b64
}

// hashKey goes on from a prefix's state with the key, byte-wise: no unsafe loads, so it is clean under the race detector's pointer
// checks and on every architecture; the compiler joins the four loads where it may.
func hashKey(h uint32, key string) uint32 {
	n := uint32(prefixBytes + len(key))
	for ; len(key) >= 4; key = key[4:] {
		h = mix32(h, uint32(key[0])|uint32(key[1])<<8|uint32(key[2])<<16|uint32(key[3])<<24)
	}
	if len(key) > 0 {
		k := uint32(key[0])
		if len(key) > 1 {
			k |= uint32(key[1]) << 8
		}
		if len(key) > 2 {
			k |= uint32(key[2]) << 16
		}
		h ^= bits.RotateLeft32(k*murmur32c1, 15) * murmur32c2
	}
	h ^= n
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// bucketOf scales a hash to the line.
func bucketOf(h uint32) uint32 { return uint32(uint64(h) * Buckets >> 32) }

// Fingerprint is what a list stores of a key: murmur3_x64_128 of salt, "/" and key, its halves big-endian. Its first byte is its shard.
func Fingerprint(salt, key string) (f [16]byte) {
	hi, lo := fingerprint(salt, key)
	binary.BigEndian.PutUint64(f[:8], hi)
	binary.BigEndian.PutUint64(f[8:], lo)
	return f
}

// fingerprint joins salt, "/" and key on the stack when they are short, as they are in practice.
func fingerprint[T string | []byte](salt string, key T) (hi, lo uint64) {
	var short [96]byte
	text := short[:0]
	if n := len(salt) + 1 + len(key); n > len(short) {
		text = make([]byte, 0, n)
	}
	text = append(text, salt...)
	text = append(text, '/')
	text = append(text, key...)
	return murmur128(text)
}

const (
	murmur128c1 = 0x87c37b91114253d5
	murmur128c2 = 0x4cf5ad432745937f
)

// murmur128 is murmur3_x64_128 with seed 0.
func murmur128(p []byte) (h1, h2 uint64) {
	n := uint64(len(p))
	for ; len(p) >= 16; p = p[16:] {
		h1 ^= scramble1(binary.LittleEndian.Uint64(p))
		h1 = bits.RotateLeft64(h1, 27) + h2
		h1 = h1*5 + 0x52dce729
		h2 ^= scramble2(binary.LittleEndian.Uint64(p[8:]))
		h2 = bits.RotateLeft64(h2, 31) + h1
		h2 = h2*5 + 0x38495ab5
	}
	var k [16]byte
	copy(k[:], p)
	if len(p) > 8 {
		h2 ^= scramble2(binary.LittleEndian.Uint64(k[8:]))
	}
	if len(p) > 0 {
		h1 ^= scramble1(binary.LittleEndian.Uint64(k[:]))
	}
	h1 ^= n
	h2 ^= n
	h1 += h2
	h2 += h1
	h1 = finish64(h1)
	h2 = finish64(h2)
	h1 += h2
	h2 += h1
	return h1, h2
}

func scramble1(k uint64) uint64 { return bits.RotateLeft64(k*murmur128c1, 31) * murmur128c2 }
func scramble2(k uint64) uint64 { return bits.RotateLeft64(k*murmur128c2, 33) * murmur128c1 }

func finish64(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

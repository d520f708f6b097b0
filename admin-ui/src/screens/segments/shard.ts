// Which of a list's 256 shards a key is in: the first byte of murmur3_x64_128(salt + "/" + key), as docs/ruleset.md says. An edit writes the shards
// that it touches, before and after, into the log, so that keys are sent shard by shard: a million of them in any order would write every shard a
// thousand times.

const encoder = new TextEncoder()

// A 64-bit number is two halves; an operation leaves its result here, since allocating one for each would cost more than all the rest.
let hi = 0
let lo = 0

function mul(ah: number, al: number, bh: number, bl: number) {
  const [a0, a1, b0, b1] = [al & 0xffff, al >>> 16, bl & 0xffff, bl >>> 16]
  const [p00, p01, p10, p11] = [a0 * b0, a0 * b1, a1 * b0, a1 * b1]
  const mid = (p00 >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
  lo = ((mid << 16) | (p00 & 0xffff)) >>> 0
  hi = (p11 + (p01 >>> 16) + (p10 >>> 16) + (mid >>> 16) + Math.imul(ah, bl) + Math.imul(al, bh)) >>> 0
}

function add(ah: number, al: number, bh: number, bl: number) {
  const sum = al + bl
  lo = sum >>> 0
  hi = (ah + bh + (sum > 0xffffffff ? 1 : 0)) >>> 0
}

function rotl(ah: number, al: number, n: number) {
  const [h, l] = n < 32 ? [ah, al] : [al, ah]
  const m = n & 31
  hi = m === 0 ? h : ((h << m) | (l >>> (32 - m))) >>> 0
  lo = m === 0 ? l : ((l << m) | (h >>> (32 - m))) >>> 0
}

function mix(ah: number, al: number) {
  mul(ah, (al ^ (ah >>> 1)) >>> 0, 0xff51afd7, 0xed558ccd)
  mul(hi, (lo ^ (hi >>> 1)) >>> 0, 0xc4ceb9fe, 0x1a85ec53)
  lo = (lo ^ (hi >>> 1)) >>> 0
}

const [c1h, c1l, c2h, c2l] = [0x87c37b91, 0x114253d5, 0x4cf5ad43, 0x2745937f] as const

function first(kh: number, kl: number) {
  mul(kh, kl, c1h, c1l)
  rotl(hi, lo, 31)
  mul(hi, lo, c2h, c2l)
}

function second(kh: number, kl: number) {
  mul(kh, kl, c2h, c2l)
  rotl(hi, lo, 33)
  mul(hi, lo, c1h, c1l)
}

/** The shard of a key in a list with a salt, 0…255. */
export function shardOf(salt: string, key: string): number {
  const bytes = encoder.encode(`${salt}/${key}`)
  const n = bytes.length
  const word = (at: number) => ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  let [h1h, h1l, h2h, h2l] = [0, 0, 0, 0]
  let at = 0
  for (; at + 16 <= n; at += 16) {
    first(word(at + 4), word(at))
    rotl((h1h ^ hi) >>> 0, (h1l ^ lo) >>> 0, 27)
    add(hi, lo, h2h, h2l)
    mul(hi, lo, 0, 5)
    add(hi, lo, 0, 0x52dce729)
    ;[h1h, h1l] = [hi, lo]
    second(word(at + 12), word(at + 8))
    rotl((h2h ^ hi) >>> 0, (h2l ^ lo) >>> 0, 31)
    add(hi, lo, h1h, h1l)
    mul(hi, lo, 0, 5)
    add(hi, lo, 0, 0x38495ab5)
    ;[h2h, h2l] = [hi, lo]
  }
  // Bytes beyond the end count as zeros, and zeros leave everything as it is.
  second(word(at + 12), word(at + 8))
  ;[h2h, h2l] = [(h2h ^ hi) >>> 0, (h2l ^ lo ^ n) >>> 0]
  first(word(at + 4), word(at))
  ;[h1h, h1l] = [(h1h ^ hi) >>> 0, (h1l ^ lo ^ n) >>> 0]
  add(h1h, h1l, h2h, h2l)
  ;[h1h, h1l] = [hi, lo]
  add(h2h, h2l, h1h, h1l)
  mix(hi, lo)
  ;[h2h, h2l] = [hi, lo]
  mix(h1h, h1l)
  add(hi, lo, h2h, h2l)
  return hi >>> 24
}

/** The same keys, those of one shard beside each other. */
export function byShard(salt: string, keys: readonly string[]): string[] {
  const shards: string[][] = Array.from({ length: 256 }, () => [])
  for (const key of keys) shards[shardOf(salt, key)]?.push(key)
  return shards.flat()
}

// Murmur3 as Austin Appleby published it, on bytes (Uint8Array), seed 0 for both.

/** murmur3_x86_32: an unsigned 32-bit number. */
export function murmur32(bytes) {
  const c1 = 0xcc9e2d51;
  const c2 = 0x1b873593;
  const blocks = bytes.length >>> 2;
  let h = 0;
  for (let i = 0; i < blocks; i++) {
    const at = i * 4;
    let k = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    k = Math.imul(k, c1);
    k = (k << 15) | (k >>> 17);
    k = Math.imul(k, c2);
    h ^= k;
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  let k = 0;
  const tail = blocks * 4;
  switch (bytes.length & 3) {
    case 3:
      k ^= bytes[tail + 2] << 16; // falls through
    case 2:
      k ^= bytes[tail + 1] << 8; // falls through
    case 1:
      k ^= bytes[tail];
      k = Math.imul(k, c1);
      k = (k << 15) | (k >>> 17);
      k = Math.imul(k, c2);
      h ^= k;
  }
  h ^= bytes.length;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

const mask = (1n << 64n) - 1n;
const rotl = (x, n) => ((x << n) | (x >> (64n - n))) & mask;
const mul = (x, y) => (x * y) & mask;

function fmix(k) {
  k ^= k >> 33n;
  k = mul(k, 0xff51afd7ed558ccdn);
  k ^= k >> 33n;
  k = mul(k, 0xc4ceb9fe1a85ec53n);
  return k ^ (k >> 33n);
}

/** murmur3_x64_128: 16 bytes, h1 then h2, each big-endian. */
export function murmur128(bytes) {
  const c1 = 0x87c37b91114253d5n;
  const c2 = 0x4cf5ad432745937fn;
  const word = (at, n) => {
    let w = 0n;
    for (let i = n - 1; i >= 0; i--) w = (w << 8n) | BigInt(bytes[at + i]);
    return w;
  };
  const mix1 = (k) => mul(rotl(mul(k, c1), 31n), c2);
  const mix2 = (k) => mul(rotl(mul(k, c2), 33n), c1);
  let h1 = 0n;
  let h2 = 0n;
  const blocks = Math.floor(bytes.length / 16);
  for (let i = 0; i < blocks; i++) {
    h1 ^= mix1(word(i * 16, 8));
    h1 = (mul((rotl(h1, 27n) + h2) & mask, 5n) + 0x52dce729n) & mask;
    h2 ^= mix2(word(i * 16 + 8, 8));
    h2 = (mul((rotl(h2, 31n) + h1) & mask, 5n) + 0x38495ab5n) & mask;
  }
  const tail = bytes.length - blocks * 16;
  if (tail > 8) h2 ^= mix2(word(blocks * 16 + 8, tail - 8));
  if (tail > 0) h1 ^= mix1(word(blocks * 16, Math.min(tail, 8)));
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & mask;
  h2 = (h2 + h1) & mask;
  h1 = fmix(h1);
  h2 = fmix(h2);
  h1 = (h1 + h2) & mask;
  h2 = (h2 + h1) & mask;
  const out = new Uint8Array(16);
  for (let i = 0; i < 8; i++) {
    out[i] = Number((h1 >> BigInt(56 - 8 * i)) & 255n);
    out[8 + i] = Number((h2 >> BigInt(56 - 8 * i)) & 255n);
  }
  return out;
}

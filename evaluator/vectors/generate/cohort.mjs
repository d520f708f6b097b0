// Cohorts ("h1") and fingerprints.
import { murmur128, murmur32 } from './murmur3.mjs';
import { utf8 } from './text.mjs';

export const buckets = 100_000;

export const hash = (salt, stage, key) => murmur32(utf8(`${salt}/${stage}/${key}`));

// h × 100000 is below 2^53 and the division by a power of two, so this is exact.
export const bucketOf = (h) => Math.floor((h * buckets) / 2 ** 32);

export const bucket = (salt, stage, key) => bucketOf(hash(salt, stage, key));

export const fingerprint = (salt, key) => murmur128(utf8(`${salt}/${key}`));

export const hex = (bytes) => Buffer.from(bytes).toString('hex');

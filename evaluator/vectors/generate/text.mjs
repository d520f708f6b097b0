// Text: well-formedness, UTF-8, folding, attribute paths, and JSON output in which a case can spell a number its own way.

/** Each lone surrogate becomes U+FFFD. */
export function wellFormed(s) {
  return s.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (m) => (m.length === 2 ? m : '\ufffd'));
}

const encoder = new TextEncoder();

export function utf8(s) {
  return encoder.encode(wellFormed(s));
}

/** The string that bytes stand for; each byte that does not belong to a well-formed sequence is one U+FFFD. */
export function fromBytes(bytes) {
  let out = '';
  for (let i = 0; i < bytes.length; ) {
    const n = sequence(bytes, i);
    out += n === 0 ? '\ufffd' : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(i, i + n));
    i += n || 1;
  }
  return out;
}

// The length of the well-formed sequence at i (Unicode, table 3-7), or 0.
function sequence(b, i) {
  const within = (at, lo, hi) => at < b.length && b[at] >= lo && b[at] <= hi;
  const c = b[i];
  if (c <= 0x7f) return 1;
  if (c >= 0xc2 && c <= 0xdf) return within(i + 1, 0x80, 0xbf) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) {
    const ok = within(i + 1, c === 0xe0 ? 0xa0 : 0x80, c === 0xed ? 0x9f : 0xbf);
    return ok && within(i + 2, 0x80, 0xbf) ? 3 : 0;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    const ok = within(i + 1, c === 0xf0 ? 0x90 : 0x80, c === 0xf4 ? 0x8f : 0xbf);
    return ok && within(i + 2, 0x80, 0xbf) && within(i + 3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/** Code point by code point, Unicode's simple lowercase mapping. */
export function fold(s) {
  let out = '';
  for (const c of wellFormed(s)) out += c === '\u0130' ? 'i' : c.toLowerCase();
  return out;
}

/** The names of a path, or undefined when it is malformed. */
export function parsePath(path) {
  if (typeof path !== 'string') return undefined;
  const names = [''];
  for (let i = 0; i < path.length; i++) {
    let c = path[i];
    if (c === '.') {
      names.push('');
      continue;
    }
    if (c === '\\') {
      c = path[++i];
      if (c !== '.' && c !== '\\') return undefined;
    }
    names[names.length - 1] += c;
  }
  return names.every((n) => n !== '') ? names.map(wellFormed) : undefined;
}

/** A piece of JSON text that is written as it stands. */
export class Raw {
  constructor(text) {
    this.text = text;
  }
}
export const raw = (text) => new Raw(text);

/** JSON text in one line. */
export function text(v) {
  if (v instanceof Raw) return v.text;
  if (Array.isArray(v)) return `[${v.map(text).join(',')}]`;
  if (v !== null && typeof v === 'object') {
    const members = Object.entries(v).filter(([, m]) => m !== undefined);
    return `{${members.map(([k, m]) => `${JSON.stringify(k)}:${text(m)}`).join(',')}}`;
  }
  if (Object.is(v, -0)) return '-0';
  if (typeof v === 'number' && !Number.isFinite(v)) throw new Error('no JSON number');
  return JSON.stringify(v);
}

/** Deterministic pseudo-random numbers (xorshift32), for keys that nobody chose. */
export function random(seed) {
  let x = seed >>> 0 || 1;
  return (n) => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x % n;
  };
}

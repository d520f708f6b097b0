// What operators compare: instants, versions, addresses. Each parser returns undefined for what it does not accept.

const maxInteger = Number.MAX_SAFE_INTEGER;

// Days from 1970-01-01 to a day of the proleptic Gregorian calendar.
function days(year, month, day) {
  const leap = (y) => (y % 4 === 0 && y % 100 !== 0) || y % 400 === 0;
  const lengths = [31, leap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1]) return undefined;
  let n = day - 1;
  for (let m = 0; m < month - 1; m++) n += lengths[m];
  const before = year - 1; // whole years before this one
  const leaps = (y) => Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return n + 365 * (year - 1970) + leaps(before) - leaps(1969);
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Whole Unix milliseconds of an RFC 3339 text. */
export function parseRfc3339(s) {
  const m = rfc3339.exec(s);
  if (!m) return undefined;
  const [hour, minute, second] = [Number(m[4]), Number(m[5]), Number(m[6])];
  const [oh, om] = [Number(m[9] ?? 0), Number(m[10] ?? 0)];
  const day = days(Number(m[1]), Number(m[2]), Number(m[3]));
  if (day === undefined || hour > 23 || minute > 59 || second > 59 || oh > 23 || om > 59) return undefined;
  const offset = (oh * 60 + om) * (m[8] === '-' ? -1 : 1);
  const millis = Number(((m[7] ?? '') + '000').slice(0, 3)); // cut: the rest only adds, so this rounds down
  return ((day * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + millis;
}

/** Whole Unix milliseconds of a string or number. */
export function parseInstant(v) {
  if (typeof v === 'string') return parseRfc3339(v);
  if (typeof v === 'number' && Math.abs(v) <= 8.64e15) return Math.floor(v);
  return undefined;
}

const identifiers = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const version = new RegExp(`^v?(\\d+)(?:\\.(\\d+)(?:\\.(\\d+))?)?(?:-(${identifiers}))?(?:\\+(${identifiers}))?$`);
const leadingZero = (s) => /^0\d+$/.test(s);

/** {numbers: [major, minor, patch], given: how many of them, pre: identifiers} */
export function parseVersion(s) {
  if (typeof s !== 'string') return undefined;
  const m = version.exec(s);
  if (!m) return undefined;
  const given = [m[1], m[2], m[3]].filter((n) => n !== undefined);
  const pre = m[4]?.split('.') ?? [];
  if (given.some((n) => leadingZero(n) || BigInt(n) > BigInt(maxInteger)) || pre.some(leadingZero)) return undefined;
  const numbers = given.map(Number);
  while (numbers.length < 3) numbers.push(0);
  return { numbers, given: given.length, pre };
}

const sign = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** SemVer's precedence: −1, 0 or 1. */
export function compareVersions(a, b) {
  for (let i = 0; i < 3; i++) {
    if (a.numbers[i] !== b.numbers[i]) return sign(a.numbers[i], b.numbers[i]);
  }
  if (a.pre.length === 0 || b.pre.length === 0) return sign(b.pre.length, a.pre.length);
  for (let i = 0; i < Math.min(a.pre.length, b.pre.length); i++) {
    const [x, y] = [a.pre[i], b.pre[i]];
    const [nx, ny] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (nx && ny && x !== y) return sign(BigInt(x), BigInt(y));
    if (nx !== ny) return nx ? -1 : 1;
    if (x !== y) return sign(x, y); // ASCII only, so this is ASCII order
  }
  return sign(a.pre.length, b.pre.length);
}

const sameUpTo = (a, b, n) => a.numbers.slice(0, n).every((x, i) => x === b.numbers[i]);

export function tilde(v, value) {
  return compareVersions(v, value) >= 0 && sameUpTo(v, value, Math.min(value.given, 2));
}

export function caret(v, value) {
  const given = value.numbers.slice(0, value.given);
  const first = given.findIndex((n) => n !== 0);
  return compareVersions(v, value) >= 0 && sameUpTo(v, value, first < 0 ? value.given : first + 1);
}

function parseV4(s) {
  const parts = s.split('.');
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) <= 255)) return undefined;
  return parts.map(Number);
}

function parseV6(s) {
  const halves = s.split('::');
  if (halves.length > 2) return undefined;
  const groups = [];
  for (const [h, half] of halves.entries()) {
    const list = half === '' ? [] : half.split(':');
    if (half === '' && halves.length === 1) return undefined;
    const bytes = [];
    for (const [i, g] of list.entries()) {
      if (g.includes('.')) {
        const last = h === halves.length - 1 && i === list.length - 1;
        const v4 = last ? parseV4(g) : undefined;
        if (!v4) return undefined;
        bytes.push(...v4);
      } else {
        if (!/^[0-9a-fA-F]{1,4}$/.test(g)) return undefined;
        bytes.push(parseInt(g, 16) >> 8, parseInt(g, 16) & 255);
      }
    }
    groups.push(bytes);
  }
  if (halves.length === 1) return groups[0].length === 16 ? groups[0] : undefined;
  const fill = 16 - groups[0].length - groups[1].length;
  return fill >= 2 ? [...groups[0], ...new Array(fill).fill(0), ...groups[1]] : undefined;
}

const mapped = (b) => b.length === 16 && b.slice(0, 10).every((x) => x === 0) && b[10] === 255 && b[11] === 255;

// As written: a mapped address is not yet taken as IPv4.
const parseBytes = (s) => (s.includes(':') ? parseV6(s) : parseV4(s));

/** 4 or 16 bytes. */
export function parseAddress(s) {
  const b = typeof s === 'string' ? parseBytes(s) : undefined;
  return b && mapped(b) ? b.slice(12) : b;
}

/** {bytes, bits} of a network or one address. */
export function parseNetwork(s) {
  if (typeof s !== 'string') return undefined;
  const slash = s.indexOf('/');
  if (slash < 0) {
    const bytes = parseAddress(s);
    return bytes && { bytes, bits: bytes.length * 8 };
  }
  const bytes = parseBytes(s.slice(0, slash));
  const n = s.slice(slash + 1);
  if (!bytes || !/^(0|[1-9]\d{0,2})$/.test(n) || Number(n) > bytes.length * 8) return undefined;
  if (!mapped(bytes)) return { bytes, bits: Number(n) };
  return Number(n) >= 96 ? { bytes: bytes.slice(12), bits: Number(n) - 96 } : undefined;
}

export function holds(network, address) {
  if (network.bytes.length !== address.length) return false;
  for (let bit = 0; bit < network.bits; bit++) {
    const at = bit >> 3;
    const m = 128 >> (bit & 7);
    if ((network.bytes[at] & m) !== (address[at] & m)) return false;
  }
  return true;
}

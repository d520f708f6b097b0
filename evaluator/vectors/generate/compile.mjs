// Documents → what an evaluation needs. Whatever is wrong with a document throws Malformed inside and quarantines it outside.
import { compileClause, costs } from './clause.mjs';
import { hex } from './cohort.mjs';
import { parsePath, wellFormed } from './text.mjs';

export class Malformed extends Error {}

function need(ok, why) {
  if (!ok) throw new Malformed(why);
}

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
const isKey = (v) => typeof v === 'string' && v !== '';
const isInteger = (v, lo, hi) => Number.isSafeInteger(v) && v >= lo && v <= hi;
const isSalt = (v) => typeof v === 'string' && /^[a-z0-9]{12}$/.test(v);

// Members that are null are absent.
const members = (v) => Object.fromEntries(Object.entries(v).filter(([, m]) => m !== null));

function list(v, what) {
  if (v === undefined) return [];
  need(Array.isArray(v), `${what} is not an array`);
  return v;
}

function object(v, what) {
  need(isObject(v), `${what} is not an object`);
  return members(v);
}

function path(v) {
  const p = parsePath(v);
  need(p, 'malformed path');
  return p;
}

/** The document's members; throws when its schema is too high or it is no object. */
export function open(doc) {
  const d = object(doc, 'document');
  const schema = d.schema ?? 1;
  need(isInteger(schema, 1, 1), 'schema');
  return d;
}

const typeOf = (v) => (v === null ? 'null' : isObject(v) || Array.isArray(v) ? 'json' : typeof v);

/** {type, variants: Map(key → value), off} as far as steps 2 and 3 need them. */
export function compileVariants(d) {
  need(['boolean', 'string', 'number', 'json'].includes(d.type), 'type');
  const variants = new Map();
  for (const v of list(d.variants, 'variants')) {
    need(isObject(v) && isKey(v.key) && !variants.has(v.key), 'variant');
    const fits = d.type === 'json' ? v.value !== undefined && v.value !== null : typeOf(v.value) === d.type;
    need(fits, 'value');
    variants.set(v.key, v.value);
  }
  need(variants.size >= 1 && variants.size <= 100, 'number of variants');
  need(variants.has(d.off), 'off');
  return { type: d.type, variants, off: d.off };
}

/** Everything else of a flag: {prerequisites, rules, fallthrough, salt}. */
export function compileFlag(d, key, { variants }) {
  need(d.key === undefined || d.key === key, 'key');
  need(d.enabled === undefined || typeof d.enabled === 'boolean', 'enabled');
  need(d.version === undefined || isInteger(d.version, 0, Number.MAX_SAFE_INTEGER), 'version');
  need(isSalt(d.salt), 'salt');
  const prerequisites = list(d.prerequisites, 'prerequisites').map((v) => {
    const p = object(v, 'prerequisite');
    need(isKey(p.flag), 'flag of a prerequisite');
    return { flag: p.flag, variants: compileKeys(p.variants) };
  });
  const ids = new Set();
  const rules = list(d.rules, 'rules').map((v) => {
    const r = object(v, 'rule');
    need(isKey(r.id) && !ids.has(r.id), 'id of a rule');
    ids.add(r.id);
    return { id: r.id, when: r.when === undefined ? undefined : compileCondition(r.when, 1), serve: compileServe(r.serve, variants) };
  });
  need(rules.length <= 200, 'number of rules');
  need(patternsIn(rules.map((r) => r.when)) <= maxPatterns, 'patterns');
  return { prerequisites, rules, fallthrough: compileServe(d.default, variants), salt: d.salt };
}

// Written out, all patterns of a document together.
const maxPatterns = 50_000;

function patternsIn(conditions) {
  return conditions.reduce((n, c) => n + (c ? (c.patterns ?? 0) + patternsIn([...(c.members ?? []), c.member]) : 0), 0);
}

function compileKeys(v) {
  const keys = list(v, 'variants');
  need(keys.length > 0 && keys.every(isKey), 'variants');
  return keys;
}

function compileServe(v, variants) {
  const s = object(v, 'serve');
  need((s.variant === undefined) !== (s.distribution === undefined), 'serve');
  if (s.variant !== undefined) {
    need(variants.has(s.variant), 'variant');
    return { variant: s.variant };
  }
  const d = object(s.distribution, 'distribution');
  const bucketBy = list(d.bucketBy, 'bucketBy');
  need(bucketBy.length <= 8, 'bucketBy');
  need(isInteger(d.exposure, 0, 100_000), 'exposure');
  need(d.otherwise === undefined || variants.has(d.otherwise), 'otherwise');
  need(d.hash === undefined || d.hash === 'h1', 'hash');
  let end = 0;
  const ranges = list(d.ranges, 'ranges').map((v2) => {
    const r = object(v2, 'range');
    need(variants.has(r.variant) && r.from === end && isInteger(r.to, end + 1, 100_000), 'range');
    end = r.to;
    return r;
  });
  need(end === 100_000 && ranges.length <= 1000, 'ranges');
  const paths = bucketBy.length > 0 ? bucketBy.map(path) : [['targetingKey']];
  return { paths, exposure: d.exposure, otherwise: d.otherwise, ranges, single: ranges.every((r) => r.variant === ranges[0].variant) };
}

const forms = [['all'], ['any'], ['not'], ['segment'], ['flag', 'variants'], ['attribute', 'op', 'values', 'ignoreCase', 'negate']];

/** {form, …}: all and any have `members`, not has `member`, the others `segment`, `flag` and `variants`, `holds`. */
export function compileCondition(v, depth) {
  need(depth <= 16, 'nesting');
  const c = object(v, 'condition');
  const used = forms.filter((f) => f.some((name) => c[name] !== undefined));
  need(used.length === 1, 'exactly one form');
  const form = used[0][0];
  switch (form) {
    case 'all':
    case 'any':
      return { form, members: list(c[form], form).map((m) => compileCondition(m, depth + 1)) };
    case 'not':
      return { form, member: compileCondition(c.not, depth + 1) };
    case 'segment':
      need(isKey(c.segment), 'segment');
      return { form, segment: c.segment };
    case 'flag':
      need(isKey(c.flag), 'flag');
      return { form, flag: c.flag, variants: compileKeys(c.variants) };
    default: {
      const holds = compileClause(c);
      need(holds, 'clause');
      return { form: 'clause', holds, ...costs(c) };
    }
  }
}

/** The flag that a kill document kills, undefined when none. A malformed one kills whatever clearedAt says: the safe side. */
export function killedBy(doc, id, isInstant) {
  if (!isObject(doc) || typeof doc.flag !== 'string') return undefined;
  const d = members(doc);
  const sound = (d.schema ?? 1) === 1 && (d.id ?? id) === id && typeof (d.at ?? '') === 'string';
  return sound && isInstant(d.clearedAt) ? undefined : d.flag;
}

/** {active, when, include, exclude} where the sides are {inline: [{path, keys}], list: {path, salt} or undefined}. */
export function compileSegment(doc, key) {
  const d = open(doc);
  need(d.key === undefined || d.key === key, 'key');
  need(d.active === undefined || typeof d.active === 'boolean', 'active');
  const segment = { active: d.active !== false, when: d.when === undefined ? undefined : compileCondition(d.when, 1) };
  need(patternsIn([segment.when]) <= maxPatterns, 'patterns');
  for (const side of ['include', 'exclude']) {
    const inline = Object.entries(d[side] === undefined ? {} : object(d[side], side)).map(([p, keys]) => {
      need(Array.isArray(keys) && keys.every((k) => typeof k === 'string'), side);
      return { path: path(p), keys: new Set(keys.map(wellFormed)) };
    });
    segment[side] = { inline, list: undefined };
  }
  for (const v of list(d.lists, 'lists')) {
    const l = object(v, 'list');
    need((l.side === 'include' || l.side === 'exclude') && segment[l.side].list === undefined, 'side');
    need(isSalt(l.salt), 'salt of a list');
    segment[l.side].list = { path: path(l.attribute), salt: l.salt };
  }
  return segment;
}

/** The fingerprints of a shard as a set of hexadecimal texts. */
export function compileShard(doc, key) {
  const d = open(doc);
  const m = /^(.+):(include|exclude):([0-9a-f]{2})$/.exec(key);
  need(m && (d.key === undefined || d.key === key), 'key');
  const shard = parseInt(m[3], 16);
  need((d.segment ?? m[1]) === m[1] && (d.side ?? m[2]) === m[2] && (d.shard ?? shard) === shard, 'which shard');
  const base64 = d.fingerprints ?? '';
  need(typeof base64 === 'string', 'fingerprints');
  const bytes = Buffer.from(base64, 'base64');
  need(bytes.toString('base64') === base64 && bytes.length % 16 === 0, 'base64');
  const set = new Set();
  let last = '';
  for (let i = 0; i < bytes.length; i += 16) {
    const f = hex(bytes.subarray(i, i + 16));
    need(f > last && bytes[i] === shard, 'order');
    set.add(f);
    last = f;
  }
  return set;
}

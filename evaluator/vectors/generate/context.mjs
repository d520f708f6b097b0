// Contexts: limits, paths, keys.
import { utf8, wellFormed } from './text.mjs';

const size = (s) => utf8(s).length;

/** The context of a JSON text, or undefined when it is refused. */
export function parseContext(json) {
  let v;
  try {
    v = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (v === null || typeof v !== 'object' || Array.isArray(v) || size(json) > 65536) return undefined;
  const context = Object.assign(Object.create(null), v);
  const key = context.targetingKey ?? '';
  delete context.targetingKey;
  if (Object.keys(context).length > 100 || !fits(v, 1)) return undefined;
  if (typeof key === 'string') context.targetingKey = wellFormed(key);
  else if (Number.isSafeInteger(key)) context.targetingKey = String(key + 0); // −0 + 0 is 0
  else return undefined;
  if (context.targetingKey === '') delete context.targetingKey;
  return context;
}

function fits(v, depth) {
  if (typeof v === 'string') return size(v) <= 1024;
  if (v === null || typeof v !== 'object') return true;
  if (depth > 16) return false;
  if (Array.isArray(v)) return v.every((e) => fits(e, depth + 1));
  return Object.entries(v).every(([name, e]) => size(name) <= 256 && fits(e, depth + 1));
}

/** What stands at a path (parsed), undefined when it is missing. */
export function lookup(context, path) {
  let v = context;
  for (const name of path) {
    if (v === null || typeof v !== 'object' || Array.isArray(v)) return undefined;
    const there = Object.keys(v).findLast((k) => wellFormed(k) === name);
    v = there === undefined ? undefined : v[there];
  }
  return missing(v) ? undefined : v;
}

const missing = (v) => v === undefined || v === null || (typeof v === 'number' && !Number.isFinite(v));

export const candidates = (v) => (v === undefined ? [] : Array.isArray(v) ? v.filter((e) => !missing(e)) : [v]);

/** The cohort key of a value, undefined when it yields none. */
export function keyOf(v) {
  if (typeof v === 'string' && v !== '') return wellFormed(v);
  if (Number.isSafeInteger(v)) return String(v + 0);
  return undefined;
}

// Clauses: each operator names what it accepts in `values`, which candidates are usable, and what matches.
import { candidates, lookup } from './context.mjs';
import { compilePattern, writtenOut } from './pattern.mjs';
import { fold, parsePath, utf8, wellFormed } from './text.mjs';
import * as values from './values.mjs';

const same = (v) => v;
const string = (v) => (typeof v === 'string' ? wellFormed(v) : undefined);
const number = (v) => (typeof v === 'number' && Number.isFinite(v) ? v : undefined);
const integer = (v) => (Number.isSafeInteger(v) ? v : undefined);
const scalar = (v) => string(v) ?? number(v) ?? (typeof v === 'boolean' ? v : undefined);

// value: parses one of `values`; usable: turns a candidate into what is compared; both undefined for what is not accepted.
const pair = (parse, matches, more) => ({ value: parse, usable: parse, matches, ...more });
const folding = { folds: true };

function compileMatch(v, ignoreCase) {
  if (typeof v !== 'string' || utf8(v).length > 256) return undefined;
  const pattern = compilePattern(v, ignoreCase);
  return pattern && writtenOut(v) <= 1000 ? pattern : undefined;
}

// The operators whose values are compared one by one, so that each is work.
const oneByOne = /^(?:contains|startsWith|endsWith|inCidr|semver.*)$/;

/** {work, patterns}: what a clause that compiles counts as work beyond 1, and how much of that patterns are, written out. */
export function costs(c) {
  const patterns = c.op === 'matches' ? c.values.reduce((n, v) => n + writtenOut(v), 0) : 0;
  return { work: patterns + (oneByOne.test(c.op) ? c.values.length : 0), patterns };
}

const operators = {
  in: pair(scalar, (c, v) => c === v, folding),
  contains: pair(string, (c, v) => c.includes(v), folding),
  startsWith: pair(string, (c, v) => c.startsWith(v), folding),
  endsWith: pair(string, (c, v) => c.endsWith(v), folding),
  matches: {
    value: compileMatch,
    usable: string,
    matches: (c, v) => v.test(c),
    folds: true,
    own: true,
  },
  lt: pair(number, (c, v) => c < v),
  lte: pair(number, (c, v) => c <= v),
  gt: pair(number, (c, v) => c > v),
  gte: pair(number, (c, v) => c >= v),
  before: pair(values.parseInstant, (c, v) => c < v),
  after: pair(values.parseInstant, (c, v) => c > v),
  semverEq: pair(values.parseVersion, (c, v) => values.compareVersions(c, v) === 0),
  semverLt: pair(values.parseVersion, (c, v) => values.compareVersions(c, v) < 0),
  semverLte: pair(values.parseVersion, (c, v) => values.compareVersions(c, v) <= 0),
  semverGt: pair(values.parseVersion, (c, v) => values.compareVersions(c, v) > 0),
  semverGte: pair(values.parseVersion, (c, v) => values.compareVersions(c, v) >= 0),
  semverTilde: pair(values.parseVersion, values.tilde),
  semverCaret: pair(values.parseVersion, values.caret),
  inCidr: { value: values.parseNetwork, usable: values.parseAddress, matches: (c, v) => values.holds(v, c) },
  modulo: { value: integer, usable: integer, matches: same },
};

export const operatorNames = [...Object.keys(operators), 'exists'];

const flagLike = (v) => v === undefined || typeof v === 'boolean';

/** A function from contexts to booleans, or undefined when the clause quarantines. Members that are null are already gone. */
export function compileClause(c) {
  const path = parsePath(c.attribute);
  if (!path || !flagLike(c.ignoreCase) || !flagLike(c.negate)) return undefined;
  const turned = c.negate === true;
  if (c.op === 'exists') {
    if (c.values !== undefined || c.ignoreCase) return undefined;
    return (context) => (lookup(context, path) !== undefined) !== turned;
  }
  const op = Object.hasOwn(operators, c.op ?? '') ? operators[c.op] : undefined;
  if (!op || !Array.isArray(c.values) || c.values.length === 0 || (c.ignoreCase && !op.folds)) return undefined;
  const list = c.values.map((v) => op.value(v, c.ignoreCase === true));
  if (list.includes(undefined)) return undefined;
  if (c.op === 'modulo') return modulo(path, list, turned);
  const folded = (v) => (c.ignoreCase && !op.own && typeof v === 'string' ? fold(v) : v);
  const types = new Set(list.map((v) => typeof v));
  return (context) => {
    const usable = candidates(lookup(context, path))
      .map((v) => op.usable(v))
      .filter((v) => v !== undefined && (c.op !== 'in' || types.has(typeof v)));
    if (usable.length === 0) return false;
    return usable.some((u) => list.some((v) => op.matches(folded(u), folded(v)))) !== turned;
  };
}

function modulo(path, [divisor, remainder, ...rest], turned) {
  if (remainder === undefined || rest.length > 0 || divisor < 1 || remainder < 0 || remainder >= divisor) return undefined;
  return (context) => {
    const usable = candidates(lookup(context, path)).map(integer).filter((v) => v !== undefined);
    if (usable.length === 0) return false;
    return usable.some((n) => (n % divisor) + (n % divisor < 0 ? divisor : 0) === remainder) !== turned;
  };
}

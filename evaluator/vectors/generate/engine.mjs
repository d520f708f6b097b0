// The evaluation, written from docs/ruleset.md alone: slow, plain, and nothing shared with the evaluators that it tests.
import { bucket, fingerprint, hex } from './cohort.mjs';
import { Malformed, compileFlag, compileSegment, compileShard, compileVariants, killedBy, open } from './compile.mjs';
import { candidates, keyOf, lookup } from './context.mjs';
import { parseRfc3339 } from './values.mjs';

const maxWork = 65_536;

// The value of make, or undefined when the document is malformed.
function attempt(make) {
  try {
    return make();
  } catch (e) {
    if (e instanceof Malformed) return undefined;
    throw e;
  }
}

const sides = ['include', 'exclude'];

export class Engine {
  /** ruleset: as parsed from JSON. */
  constructor(ruleset) {
    const docs = (kind) => Object.entries(ruleset[kind] ?? {}).filter(([, d]) => d !== null);
    this.killed = new Set();
    for (const [id, d] of docs('kills')) this.killed.add(killedBy(d, id, isInstant));
    this.shards = new Map(docs('lists').map(([key, d]) => [key, attempt(() => compileShard(d, key))]));
    this.segments = new Map(docs('segments').map(([key, d]) => [key, attempt(() => compileSegment(d, key))]));
    this.flags = new Map(docs('flags').map(([key, d]) => [key, this.#flag(key, d)]));
    this.#quarantine();
  }

  #flag(key, doc) {
    const flag = { sound: false, body: undefined, enabled: false, version: 0, quarantined: true };
    const d = attempt(() => open(doc));
    const head = d && attempt(() => compileVariants(d));
    if (!head) return flag;
    const body = attempt(() => compileFlag(d, key, head));
    return { ...flag, ...head, sound: true, body, enabled: d.enabled ?? false, version: d.version ?? 0, quarantined: !body };
  }

  // Nodes of the graph of references are "flag/key" and "segment/key".
  #references(node) {
    const [kind, key] = [node.slice(0, node.indexOf('/')), node.slice(node.indexOf('/') + 1)];
    const out = [];
    const visit = (c) => {
      if (!c) return;
      if (c.form === 'segment') out.push(`segment/${c.segment}`);
      if (c.form === 'flag') out.push(`flag/${c.flag}`);
      c.members?.forEach(visit);
      visit(c.member);
    };
    if (kind === 'segment') visit(this.segments.get(key)?.when);
    else {
      const body = this.flags.get(key)?.body;
      body?.prerequisites.forEach((p) => out.push(`flag/${p.flag}`));
      body?.rules.forEach((r) => visit(r.when));
    }
    return out;
  }

  #quarantine() {
    const isThere = (node) => (node.startsWith('flag/') ? this.flags.has(node.slice(5)) : this.segments.has(node.slice(8)));
    const nodes = [...[...this.flags.keys()].map((k) => `flag/${k}`), ...[...this.segments.keys()].map((k) => `segment/${k}`)];
    const refs = new Map(nodes.map((n) => [n, this.#references(n)]));
    const onCycle = (start) => {
      const seen = new Set();
      const todo = [...refs.get(start)];
      while (todo.length > 0) {
        const n = todo.pop();
        if (n === start) return true;
        if (seen.has(n) || !refs.has(n)) continue;
        seen.add(n);
        todo.push(...refs.get(n));
      }
      return false;
    };
    // What is bad by itself, then what reaches such a segment through segments.
    const bad = new Set();
    for (const n of nodes) {
      const own = n.startsWith('flag/') ? this.flags.get(n.slice(5)).quarantined : !this.segments.get(n.slice(8));
      const shards = n.startsWith('segment/') && this.#badShard(n.slice(8));
      if (own || shards || refs.get(n).some((r) => !isThere(r)) || onCycle(n)) bad.add(n);
    }
    for (let grew = true; grew; ) {
      grew = false;
      for (const n of nodes) {
        if (!bad.has(n) && refs.get(n).some((r) => r.startsWith('segment/') && bad.has(r))) {
          bad.add(n);
          grew = true;
        }
      }
    }
    for (const n of bad) if (n.startsWith('flag/')) this.flags.get(n.slice(5)).quarantined = true;
    for (const [key, flag] of this.flags) {
      if (!flag.quarantined && this.#work(key) > maxWork) flag.quarantined = true;
    }
  }

  #badShard(key) {
    const segment = this.segments.get(key);
    return [...this.shards].some(([k, s]) => s === undefined && sides.some((side) => segment?.[side].list && k.startsWith(`${key}:${side}:`)));
  }

  // The worst case: how many flags, segments and conditions one evaluation can visit, and values it can compare. Called for flags that are sound so far, so it ends.
  #work(key) {
    const memo = (this.works ??= new Map());
    const segmentWork = (k) => {
      const at = `segment/${k}`;
      if (!memo.has(at)) memo.set(at, 1 + conditionWork(this.segments.get(k).when));
      return memo.get(at);
    };
    const conditionWork = (c) => {
      if (!c) return 0;
      let n = 1 + (c.work ?? 0) + conditionWork(c.member);
      for (const m of c.members ?? []) n += conditionWork(m);
      if (c.form === 'segment') n += segmentWork(c.segment);
      if (c.form === 'flag') n += flagWork(c.flag);
      return n;
    };
    const flagWork = (k) => {
      const flag = this.flags.get(k);
      if (flag.quarantined) return 1;
      const at = `flag/${k}`;
      if (!memo.has(at)) {
        let n = 1;
        for (const p of flag.body.prerequisites) n += flagWork(p.flag);
        for (const r of flag.body.rules) n += conditionWork(r.when);
        memo.set(at, n > maxWork ? 1 : n); // a flag above the limit is quarantined and counts 1
        if (n > maxWork) flag.quarantined = true;
      }
      return memo.get(at);
    };
    return flagWork(key);
  }

  /** {value, variant, reason, cause, rule, version, error}; value is undefined with an error. */
  evaluate(key, context) {
    const flag = this.flags.get(key);
    if (!flag) return failed('FLAG_NOT_FOUND');
    const serve = (variant, reason, cause, rule = '') => {
      return { value: flag.variants.get(variant), variant, reason, cause, rule, version: flag.version, error: '' };
    };
    if (flag.sound && this.killed.has(key)) return serve(flag.off, 'DISABLED', 'killed');
    if (flag.sound && flag.enabled === false) return serve(flag.off, 'DISABLED', 'off');
    if (flag.quarantined) return failed('PARSE_ERROR');
    const { prerequisites, rules, fallthrough, salt } = flag.body;
    for (const p of prerequisites) {
      if (!p.variants.includes(this.evaluate(p.flag, context).variant)) return serve(flag.off, 'DEFAULT', 'prerequisite');
    }
    try {
      for (const r of rules) {
        if (r.when && !this.#holds(r.when, context)) continue;
        if (r.serve.variant !== undefined) return serve(r.serve.variant, 'TARGETING_MATCH', 'rule', r.id);
        const [variant, why] = split(r.serve, salt, context);
        if (variant !== undefined) return serve(variant, 'SPLIT', 'rule', r.id);
        if (r.serve.otherwise !== undefined) return serve(r.serve.otherwise, 'SPLIT', why, r.id);
      }
    } catch (e) {
      if (e !== endsInError) throw e;
      return failed('GENERAL');
    }
    if (fallthrough.variant !== undefined) {
      return serve(fallthrough.variant, rules.length + prerequisites.length === 0 ? 'STATIC' : 'DEFAULT', 'default');
    }
    const [variant, why] = split(fallthrough, salt, context);
    return variant !== undefined ? serve(variant, 'SPLIT', 'default') : serve(fallthrough.otherwise ?? flag.off, 'SPLIT', why);
  }

  /** evaluate, asked for one type: boolean, string, number, integer or json. */
  evaluateAs(type, key, context) {
    const r = this.evaluate(key, context);
    if (type === undefined || r.error !== '') return r;
    const is = this.flags.get(key).type;
    const fits = type === 'integer' ? is === 'number' && Number.isSafeInteger(r.value) : is === type;
    return fits ? r : failed('TYPE_MISMATCH');
  }

  #holds(c, context) {
    switch (c.form) {
      case 'all':
        return c.members.every((m) => this.#holds(m, context));
      case 'any':
        return c.members.some((m) => this.#holds(m, context));
      case 'not':
        return !this.#holds(c.member, context);
      case 'segment':
        return this.#isMember(c.segment, context);
      case 'flag': {
        const r = this.evaluate(c.flag, context);
        if (r.error !== '') throw endsInError;
        return c.variants.includes(r.variant);
      }
      default:
        return c.holds(context);
    }
  }

  #isMember(key, context) {
    const segment = this.segments.get(key);
    if (!segment.active) return false;
    for (const side of sides) {
      const { inline, list } = segment[side];
      const keys = (path) => candidates(lookup(context, path)).map(keyOf).filter((k) => k !== undefined);
      const listed = (k) => {
        const f = hex(fingerprint(list.salt, k));
        return this.shards.get(`${key}:${side}:${f.slice(0, 2)}`)?.has(f) ?? false;
      };
      const found = inline.some((e) => keys(e.path).some((k) => e.keys.has(k))) || (list !== undefined && keys(list.path).some(listed));
      if (found) return side === 'include';
    }
    return segment.when !== undefined && this.#holds(segment.when, context);
  }
}

const endsInError = Symbol('a flag in a condition ended in ERROR');

const isInstant = (at) => typeof at === 'string' && parseRfc3339(at) !== undefined;

const failed = (error) => ({ value: undefined, variant: '', reason: 'ERROR', cause: '', rule: '', version: 0, error });

// [variant, ''] of an exposed context, else [undefined, cause].
function split(d, salt, context) {
  if (d.exposure === 0) return [undefined, 'unexposed'];
  if (d.exposure === 100_000 && d.single) return [d.ranges[0].variant, ''];
  const key = d.paths.map((p) => keyOf(lookup(context, p))).find((k) => k !== undefined);
  if (key === undefined) return [undefined, 'keyless'];
  if (bucket(salt, 'expose', key) >= d.exposure) return [undefined, 'unexposed'];
  const b = bucket(salt, 'assign', key);
  return [d.ranges.find((r) => r.from <= b && b < r.to).variant, ''];
}

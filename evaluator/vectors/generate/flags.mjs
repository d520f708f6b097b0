// The cases of flags.json: a ruleset, a context, and the whole answer for one or more flags.
import { Engine } from './engine.mjs';
import { bucket, fingerprint, hex } from './cohort.mjs';
import { parseContext } from './context.mjs';
import { text } from './text.mjs';

export const salt = 'k3j9x0a1b2c4';
const rows = [];

/**
 * A case. asks: [flag, expected, as] where expected is a short text that the author wrote down: the variant, or the error code, and for variants the
 * cause, as in "on rule" or "PARSE_ERROR". The full answer comes from the engine, and a difference stops the generator.
 */
function add(name, ruleset, context, asks, quarantined = []) {
  const json = typeof context === 'string' ? context : text(context);
  const parsed = parseContext(json);
  const engine = new Engine(JSON.parse(text(ruleset)));
  const evaluations = asks.map(([flag, expected, as]) => {
    const r = parsed ? engine.evaluateAs(as, flag, parsed) : { variant: '', reason: 'ERROR', cause: '', rule: '', version: 0, error: 'INVALID_CONTEXT' };
    const short = r.error !== '' ? r.error : `${r.variant} ${r.cause}`;
    if (short !== expected) throw new Error(`${name}: ${flag} is "${short}", the case says "${expected}"`);
    return { flag, as, want: { ...r, value: r.value ?? null } };
  });
  const found = [...engine.flags].filter(([, f]) => f.quarantined).map(([key]) => key).sort();
  if (text(found) !== text([...quarantined].sort())) throw new Error(`${name}: quarantined are ${found}, the case says ${quarantined}`);
  rows.push({ name, ruleset, ...(typeof context === 'string' ? { contextText: context } : { context }), evaluations, quarantined: found });
}

const clause = (attribute, op, ...values) => ({ attribute, op, ...(values.length > 0 ? { values } : {}) });
const is = (attribute, ...values) => clause(attribute, 'in', ...values);
const distribution = (exposure, otherwise, ranges, more = {}) => {
  let from = 0;
  const out = ranges.map(([variant, width]) => {
    const r = { variant, from, to: from + width };
    from = r.to;
    return r;
  });
  return { distribution: { ...more, exposure, ...(otherwise === undefined ? {} : { otherwise }), ranges: out } };
};
const onOff = [{ key: 'on', value: true }, { key: 'off', value: false }];
const boolean = (more = {}) => ({ type: 'boolean', version: 7, salt, variants: onOff, enabled: true, off: 'off', default: { variant: 'on' }, ...more });
const string = (more = {}) => ({
  type: 'string', version: 3, salt, enabled: true, off: 'none',
  variants: [{ key: 'a', value: 'A' }, { key: 'b', value: 'B' }, { key: 'c', value: 'C' }, { key: 'none', value: '' }], default: { variant: 'a' }, ...more,
});
const rule = (id, when, serve) => ({ id, ...(when === undefined ? {} : { when }), serve: typeof serve === 'string' ? { variant: serve } : serve });
const one = (flag, more = {}) => ({ flags: { f: flag }, ...more });
const u1 = { targetingKey: 'u1', plan: 'pro' };

// A key whose buckets fulfil a wish.
function key(wish) {
  for (let i = 0; ; i++) if (wish(bucket(salt, 'expose', `u${i}`), bucket(salt, 'assign', `u${i}`))) return { targetingKey: `u${i}` };
}

function order() {
  const kill = { kills: { k1: { id: 'k1', flag: 'f', at: '2026-11-20T14:02:00Z' } } };
  const gone = rule('r', is('plan', 'pro'), 'a');
  add('step 1: no such flag', { flags: {} }, u1, [['f', 'FLAG_NOT_FOUND']]);
  add('step 1: an empty ruleset', {}, u1, [['f', 'FLAG_NOT_FOUND']]);
  add('step 1: keys have case', one(boolean()), u1, [['F', 'FLAG_NOT_FOUND'], ['f', 'on default']]);
  add('step 1: no such flag, whatever the type', { flags: {} }, u1, [['f', 'FLAG_NOT_FOUND', 'boolean'], ['f', 'FLAG_NOT_FOUND', 'json']]);
  add('step 1: a kill of a flag that is not there', { flags: {}, ...kill }, u1, [['f', 'FLAG_NOT_FOUND']]);
  add('step 2: killed', one(boolean(), kill), u1, [['f', 'off killed']]);
  add('step 2: killed before enabled is looked at', one(boolean({ enabled: false }), kill), u1, [['f', 'off killed']]);
  add('step 2: killed before rules', one(string({ rules: [gone] }), kill), u1, [['f', 'none killed']]);
  add('step 2: killed before a prerequisite', { flags: { f: boolean({ prerequisites: [{ flag: 'g', variants: ['on'] }] }), g: boolean({ enabled: false }) }, ...kill }, u1, [['f', 'off killed']]);
  add('step 2: killed, though its rules do not compile', one(boolean({ rules: [rule('r', clause('x', 'nonsense', 1), 'on')] }), kill), u1, [['f', 'off killed']], ['f']);
  add('step 2: killed, though a reference dangles', one(boolean({ rules: [rule('r', { segment: 'gone' }, 'on')] }), kill), u1, [['f', 'off killed']], ['f']);
  add('step 2: killed, though its default is missing', one(boolean({ default: undefined }), kill), u1, [['f', 'off killed']], ['f']);
  add('step 2: killed, though its salt is malformed', one(boolean({ salt: 'UPPER' }), kill), u1, [['f', 'off killed']], ['f']);
  add('step 2: not killed when off is not sound', one(boolean({ off: 'nobody' }), kill), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('step 2: not killed when a variant is not sound', one(boolean({ variants: [{ key: 'on', value: 1 }, { key: 'off', value: false }] }), kill), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('step 2: not killed when the schema is too high', one(boolean({ schema: 2 }), kill), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('step 2: another flag is killed', { flags: { g: boolean() }, ...kill }, u1, [['g', 'on default']]);
  add('step 3: not enabled', one(boolean({ enabled: false })), u1, [['f', 'off off']]);
  add('step 3: enabled absent means false', one(boolean({ enabled: undefined })), u1, [['f', 'off off']]);
  add('step 3: enabled null means absent', one(boolean({ enabled: null })), u1, [['f', 'off off']]);
  add('step 3: not enabled, before rules', one(string({ enabled: false, rules: [gone] })), u1, [['f', 'none off']]);
  add('step 3: not enabled, though its rules do not compile', one(boolean({ enabled: false, rules: [rule('r', {}, 'on')] })), u1, [['f', 'off off']], ['f']);
  add('step 3: not enabled and variants not sound', one(boolean({ enabled: false, variants: [] })), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('step 3: not enabled, schema too high', one(boolean({ enabled: false, schema: 2 })), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('step 3: enabled is no boolean', one(boolean({ enabled: 'no' })), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('step 4: quarantined, the others work', { flags: { f: boolean({ default: {} }), g: boolean() } }, u1, [['f', 'PARSE_ERROR'], ['g', 'on default']], ['f']);
  add('step 4: a document that is no object', { flags: { f: 7, g: [], h: 'x', i: true } }, u1, ['f', 'g', 'h', 'i'].map((k) => [k, 'PARSE_ERROR']), ['f', 'g', 'h', 'i']);
  const pre = (...variants) => boolean({ prerequisites: [{ flag: 'g', variants }] });
  add('step 5: a prerequisite holds', { flags: { f: pre('on'), g: boolean() } }, u1, [['f', 'on default']]);
  add('step 5: a prerequisite fails', { flags: { f: pre('off'), g: boolean() } }, u1, [['f', 'off prerequisite']]);
  add('step 5: one of several variants', { flags: { f: pre('off', 'on'), g: boolean() } }, u1, [['f', 'on default']]);
  add('step 5: variants that the flag does not have', { flags: { f: pre('purple'), g: boolean() } }, u1, [['f', 'off prerequisite']]);
  add('step 5: a prerequisite that is disabled is judged by its off variant', { flags: { f: pre('off'), e: pre('on'), g: boolean({ enabled: false }) } }, u1, [['f', 'on default'], ['e', 'off prerequisite']]);
  add('step 5: a prerequisite that is killed is judged by its off variant', { flags: { f: pre('off'), e: pre('on'), g: boolean() }, kills: { k: { flag: 'g' } } }, u1, [['f', 'on default'], ['e', 'off prerequisite']]);
  add('step 5: a prerequisite that ends in ERROR fails', { flags: { f: pre('on', 'off'), g: boolean({ salt: 'x' }) } }, u1, [['f', 'off prerequisite'], ['g', 'PARSE_ERROR']], ['g']);
  add('step 5: the same context', { flags: { f: pre('a'), g: string({ rules: [rule('r', is('plan', 'pro'), 'a')], default: { variant: 'b' } }) } }, u1, [['f', 'on default']]);
  add('step 5: before rules', { flags: { f: boolean({ prerequisites: [{ flag: 'g', variants: ['off'] }], rules: [rule('r', undefined, 'on')] }), g: boolean() } }, u1, [['f', 'off prerequisite']]);
  add('step 5: all of several have to hold', { flags: { f: boolean({ prerequisites: [{ flag: 'g', variants: ['on'] }, { flag: 'h', variants: ['on'] }] }), g: boolean(), h: boolean({ enabled: false }) } }, u1, [['f', 'off prerequisite']]);
  add('step 5: a chain of three', { flags: { f: pre('on'), g: boolean({ prerequisites: [{ flag: 'h', variants: ['on'] }] }), h: boolean({ enabled: false }) } }, u1, [['f', 'off prerequisite'], ['g', 'off prerequisite'], ['h', 'off off']]);
  add('step 5: one flag through two ways is no cycle', { flags: { f: boolean({ prerequisites: [{ flag: 'g', variants: ['on'] }, { flag: 'h', variants: ['on'] }] }), g: boolean({ prerequisites: [{ flag: 'h', variants: ['on'] }] }), h: boolean() } }, u1, [['f', 'on default']]);
  add('step 6: a rule matches', one(string({ rules: [rule('r', is('plan', 'pro'), 'b')] })), u1, [['f', 'b rule']]);
  add('step 6: the first match counts', one(string({ rules: [rule('r1', is('plan', 'free'), 'a'), rule('r2', is('plan', 'pro'), 'b'), rule('r3', is('plan', 'pro'), 'c')] })), u1, [['f', 'b rule']]);
  add('step 6: a rule without when always matches', one(string({ rules: [rule('r', undefined, 'c')] })), {}, [['f', 'c rule']]);
  add('step 6: a rule whose when is null always matches', one(string({ rules: [{ id: 'r', when: null, serve: { variant: 'c' } }] })), {}, [['f', 'c rule']]);
  add('step 6: a rule may serve off', one(string({ rules: [rule('r', undefined, 'none')] })), u1, [['f', 'none rule']]);
  add('step 7: no rule matches', one(string({ rules: [rule('r', is('plan', 'free'), 'b')] })), u1, [['f', 'a default']]);
  add('step 7: STATIC with neither rules nor prerequisites', one(boolean()), {}, [['f', 'on default']]);
  add('step 7: DEFAULT with a rule', one(boolean({ rules: [rule('r', is('plan', 'free'), 'off')] })), u1, [['f', 'on default']]);
  add('step 7: DEFAULT with a prerequisite', { flags: { f: pre('on'), g: boolean() } }, {}, [['f', 'on default'], ['g', 'on default']]);
  add('step 7: STATIC with empty lists', one(boolean({ rules: [], prerequisites: [] })), u1, [['f', 'on default']]);
  add('step 7: STATIC with lists that are null', one(boolean({ rules: null, prerequisites: null })), u1, [['f', 'on default']]);
  add('version: absent is 0', one(boolean({ version: undefined })), u1, [['f', 'on default']]);
  add('version: 2^53-1', one(boolean({ version: Number.MAX_SAFE_INTEGER })), u1, [['f', 'on default']]);
}

function distributions() {
  const ab = [['a', 50000], ['b', 50000]];
  const exposedA = key((e, a) => e < 25000 && a < 50000);
  const exposedB = key((e, a) => e < 25000 && a >= 50000);
  const outside = key((e) => e >= 25000);
  const asDefault = (exposure, otherwise, ranges, more) => one(string({ default: distribution(exposure, otherwise, ranges, more) }));
  const asRule = (exposure, otherwise, ranges, more) => one(string({ rules: [rule('r', undefined, distribution(exposure, otherwise, ranges, more))], default: { variant: 'c' } }));
  add('default: exposed, the first range', asDefault(25000, 'c', ab), exposedA, [['f', 'a default']]);
  add('default: exposed, the second range', asDefault(25000, 'c', ab), exposedB, [['f', 'b default']]);
  add('default: not exposed, otherwise', asDefault(25000, 'c', ab), outside, [['f', 'c unexposed']]);
  add('default: not exposed, no otherwise is off', asDefault(25000, undefined, ab), outside, [['f', 'none unexposed']]);
  add('default: not exposed, otherwise null is absent', asDefault(25000, null, ab), outside, [['f', 'none unexposed']]);
  add('default: keyless, otherwise', asDefault(25000, 'c', ab), {}, [['f', 'c keyless']]);
  add('default: keyless, no otherwise is off', asDefault(25000, undefined, ab), {}, [['f', 'none keyless']]);
  add('rule: exposed', asRule(25000, undefined, ab), exposedB, [['f', 'b rule']]);
  add('rule: not exposed, otherwise carries the rule', asRule(25000, 'none', ab), outside, [['f', 'none unexposed']]);
  add('rule: not exposed, no otherwise: the default', asRule(25000, undefined, ab), outside, [['f', 'c default']]);
  add('rule: keyless, otherwise carries the rule', asRule(25000, 'none', ab), {}, [['f', 'none keyless']]);
  add('rule: keyless, no otherwise: the default', asRule(25000, undefined, ab), {}, [['f', 'c default']]);
  const chain = string({ rules: [rule('r1', undefined, distribution(25000, undefined, ab)), rule('r2', is('plan', 'pro'), 'b'), rule('r3', undefined, distribution(100000, undefined, [['c', 100000]]))] });
  add('rule: not exposed, no otherwise: the next rule', one(chain), { ...outside, plan: 'pro' }, [['f', 'b rule']]);
  add('rule: not exposed, no otherwise: the rule after next', one(chain), outside, [['f', 'c rule']]);
  const edges = { 0: (e) => e === 0, 24999: (e) => e === 24999, 25000: (e) => e === 25000, 99999: (e) => e === 99999 };
  const at = Object.fromEntries(Object.entries(edges).map(([n, wish]) => [n, key(wish)]));
  add('exposure: bucket 24999 is below 25000', asDefault(25000, 'c', [['a', 100000]]), at[24999], [['f', 'a default']]);
  add('exposure: bucket 25000 is not below 25000', asDefault(25000, 'c', [['a', 100000]]), at[25000], [['f', 'c unexposed']]);
  add('exposure: bucket 0 at exposure 1', asDefault(1, 'c', [['a', 100000]]), at[0], [['f', 'a default']]);
  add('exposure: bucket 0 at exposure 0', asDefault(0, 'c', [['a', 100000]]), at[0], [['f', 'c unexposed']]);
  add('exposure: bucket 99999 at exposure 99999', asDefault(99999, 'c', [['a', 100000]]), at[99999], [['f', 'c unexposed']]);
  add('exposure: bucket 99999 at exposure 100000', asDefault(100000, 'c', ab), at[99999], [['f', bucket(salt, 'assign', at[99999].targetingKey) < 50000 ? 'a default' : 'b default']]);
  add('exposure: 0 needs no key and is unexposed', asDefault(0, 'c', ab), {}, [['f', 'c unexposed']]);
  add('exposure: 0 of a rule, without a key', asRule(0, 'none', ab), {}, [['f', 'none unexposed']]);
  add('exposure: 100 % of one variant needs no key', asDefault(100000, 'c', [['a', 100000]]), {}, [['f', 'a default']]);
  add('exposure: 100 % of one variant in two ranges needs no key', asDefault(100000, 'c', [['a', 30000], ['a', 70000]]), {}, [['f', 'a default']]);
  add('exposure: 100 % of one variant in a rule needs no key', asRule(100000, 'none', [['a', 100000]]), {}, [['f', 'a rule']]);
  add('exposure: 100 % of two variants needs a key', asDefault(100000, 'c', ab), {}, [['f', 'c keyless']]);
  add('exposure: 99.999 % of one variant needs a key', asDefault(99999, 'c', [['a', 100000]]), {}, [['f', 'c keyless']]);
  const assign = (n) => key((e, a) => a === n);
  add('range: assign 49999 is in 0…50000', asDefault(100000, 'c', ab), assign(49999), [['f', 'a default']]);
  add('range: assign 50000 is in 50000…100000', asDefault(100000, 'c', ab), assign(50000), [['f', 'b default']]);
  add('range: assign 0 in a range of one bucket', asDefault(100000, 'c', [['a', 1], ['b', 99999]]), assign(0), [['f', 'a default']]);
  add('range: assign 99999 in a range of one bucket', asDefault(100000, 'c', [['a', 99999], ['b', 1]]), assign(99999), [['f', 'b default']]);
  add('range: assign 1 beside a range of one bucket', asDefault(100000, 'c', [['a', 1], ['b', 1], ['c', 99998]]), assign(1), [['f', 'b default']]);
  const thousand = Array.from({ length: 1000 }, (_, i) => [i % 2 === 0 ? 'a' : 'b', 100]);
  add('range: a thousand of them, the middle', asDefault(100000, 'c', thousand), assign(50000), [['f', 'a default']]);
  add('range: a thousand of them, one below the middle', asDefault(100000, 'c', thousand), assign(49999), [['f', 'b default']]);
  add('range: the same variant twice', asDefault(100000, 'c', [['a', 20000], ['b', 60000], ['a', 20000]]), assign(99999), [['f', 'a default']]);
  add('two stages: exposed by expose, given by assign', asDefault(50000, 'c', ab), key((e, a) => e < 50000 && a >= 50000), [['f', 'b default']]);
  add('two stages: not exposed though assign is low', asDefault(50000, 'c', ab), key((e, a) => e >= 50000 && a < 50000), [['f', 'c unexposed']]);
  add('seq and prev do not matter', one(string({ default: { distribution: { exposure: 100000, ranges: [{ variant: 'a', from: 0, to: 50000, seq: 9, prev: 'b' }, { variant: 'b', from: 50000, to: 100000, seq: 1, prev: 'gone' }] } } })), assign(49999), [['f', 'a default']]);
  add('hash: h1', asDefault(25000, 'c', ab, { hash: 'h1' }), exposedA, [['f', 'a default']]);
  add('bucketBy: another attribute', asDefault(25000, 'c', ab, { bucketBy: ['company.id'] }), { targetingKey: outside.targetingKey, company: { id: exposedB.targetingKey } }, [['f', 'b default']]);
  add('bucketBy: the second, when the first is missing', asDefault(25000, 'c', ab, { bucketBy: ['company.id', 'targetingKey'] }), exposedA, [['f', 'a default']]);
  add('bucketBy: none is present', asDefault(25000, 'c', ab, { bucketBy: ['company.id', 'org'] }), exposedA, [['f', 'c keyless']]);
  add('bucketBy: null is the targetingKey', asDefault(25000, 'c', ab, { bucketBy: null }), exposedA, [['f', 'a default']]);
  add('bucketBy: an attribute that is a number', asDefault(100000, 'c', ab, { bucketBy: ['id'] }), '{"id":17.0}', [['f', bucket(salt, 'assign', '17') < 50000 ? 'a default' : 'b default']]);
  const other = 'zzzzzzzzzzzz';
  const differs = key((e, a) => a < 50000);
  for (let i = 0; bucket(other, 'assign', differs.targetingKey) < 50000 || bucket(salt, 'assign', differs.targetingKey) >= 50000; i++) differs.targetingKey = `w${i}`;
  add('salt: another salt, another cohort; same salt, same cohort', { flags: { f: string({ default: distribution(100000, 'c', ab) }), g: string({ salt: other, default: distribution(100000, 'c', ab) }), h: string({ default: distribution(100000, 'c', ab) }) } }, differs, [['f', 'a default'], ['g', 'b default'], ['h', 'a default']]);
  add('cohort: the same in a rule and in the default', { flags: { f: string({ default: distribution(25000, 'c', ab) }), g: string({ rules: [rule('x', undefined, distribution(25000, 'none', ab))] }) } }, exposedB, [['f', 'b default'], ['g', 'b rule']]);
}

function malformed() {
  const parse = (name, flag) => add(`quarantine: ${name}`, { flags: { f: flag, g: boolean() } }, u1, [['f', 'PARSE_ERROR'], ['g', 'on default']], ['f']);
  const fine = (name, flag, expected = 'on default') => add(`accepted: ${name}`, one(flag), u1, [['f', expected]]);
  fine('a member that nobody knows', boolean({ nickname: 'x' }));
  fine('the key of the document', boolean({ key: 'f' }));
  fine('schema 1', boolean({ schema: 1 }));
  fine('a hundred variants', boolean({ variants: [...onOff, ...Array.from({ length: 98 }, (_, i) => ({ key: `v${i}`, value: true }))] }));
  fine('two hundred rules', boolean({ rules: Array.from({ length: 200 }, (_, i) => rule(`r${i}`, is('plan', 'free'), 'off')) }));
  fine('one variant', boolean({ variants: [onOff[1]], default: { variant: 'off' } }), 'off default');
  fine('a null beside a variant', boolean({ default: { variant: 'on', distribution: null } }));
  parse('another key in the document', boolean({ key: 'g' }));
  parse('schema 2', boolean({ schema: 2 }));
  parse('unknown type', boolean({ type: 'bool' }));
  parse('no type', boolean({ type: undefined }));
  parse('no variants', boolean({ variants: [] }));
  parse('variants absent', boolean({ variants: undefined }));
  parse('a hundred and one variants', boolean({ variants: [...onOff, ...Array.from({ length: 99 }, (_, i) => ({ key: `v${i}`, value: true }))] }));
  parse('two variants with one key', boolean({ variants: [...onOff, { key: 'on', value: false }] }));
  parse('a variant without key', boolean({ variants: [...onOff, { value: false }] }));
  parse('a variant with an empty key', boolean({ variants: [...onOff, { key: '', value: false }] }));
  parse('a variant without value', boolean({ variants: [...onOff, { key: 'x' }] }));
  parse('a boolean flag with a text', boolean({ variants: [...onOff, { key: 'x', value: 'true' }] }));
  parse('a boolean flag with a null', boolean({ variants: [...onOff, { key: 'x', value: null }] }));
  parse('a string flag with a number', string({ variants: [{ key: 'a', value: 1 }, { key: 'none', value: '' }] }));
  parse('a number flag with a text', { ...boolean(), type: 'number', variants: [{ key: 'on', value: '1' }, { key: 'off', value: 0 }] });
  parse('a json flag with null', { ...boolean(), type: 'json', variants: [{ key: 'on', value: {} }, { key: 'off', value: null }] });
  parse('off absent', boolean({ off: undefined }));
  parse('off names no variant', boolean({ off: 'none' }));
  parse('no salt', boolean({ salt: undefined }));
  parse('a salt of 11 characters', boolean({ salt: 'k3j9x0a1b2c' }));
  parse('a salt of 13 characters', boolean({ salt: 'k3j9x0a1b2c45' }));
  parse('a salt in upper case', boolean({ salt: 'K3J9X0A1B2C4' }));
  parse('a salt with a slash', boolean({ salt: 'k3j9x0a1b2c/' }));
  parse('no default', boolean({ default: undefined }));
  parse('an empty default', boolean({ default: {} }));
  parse('variant and distribution', boolean({ default: { variant: 'on', ...distribution(0, 'off', [['on', 100000]]) } }));
  parse('a default that names no variant', boolean({ default: { variant: 'purple' } }));
  parse('two hundred and one rules', boolean({ rules: Array.from({ length: 201 }, (_, i) => rule(`r${i}`, undefined, 'on')) }));
  parse('two rules with one id', boolean({ rules: [rule('r', undefined, 'on'), rule('r', undefined, 'on')] }));
  parse('a rule without id', boolean({ rules: [rule(undefined, undefined, 'on')] }));
  parse('a rule with an empty id', boolean({ rules: [rule('', undefined, 'on')] }));
  parse('a rule without serve', boolean({ rules: [{ id: 'r' }] }));
  parse('a rule that serves no variant of the flag', boolean({ rules: [rule('r', undefined, 'purple')] }));
  parse('a rule that is null', boolean({ rules: [null] }));
  parse('a variant that is null', boolean({ variants: [...onOff, null] }));
  parse('a prerequisite that is null', boolean({ prerequisites: [null] }));
  parse('a default that is null', boolean({ default: null }));
  parse('the salt of another alphabet', boolean({ salt: 'k3j9x0a1b2cé' }));
  parse('schema 0', boolean({ schema: 0 }));
  parse('schema 1.5', boolean({ schema: 1.5 }));
  parse('schema as a text', boolean({ schema: '1' }));
  parse('rules is no array', boolean({ rules: {} }));
  parse('a prerequisite without variants', { ...boolean(), prerequisites: [{ flag: 'g' }] });
  parse('a prerequisite with empty variants', { ...boolean(), prerequisites: [{ flag: 'g', variants: [] }] });
  parse('a prerequisite without flag', { ...boolean(), prerequisites: [{ variants: ['on'] }] });
  const split = (name, d) => parse(`distribution: ${name}`, boolean({ default: { distribution: d } }));
  const all = [{ variant: 'on', from: 0, to: 100000 }];
  split('no exposure', { ranges: all });
  split('exposure -1', { exposure: -1, ranges: all });
  split('exposure 100001', { exposure: 100001, ranges: all });
  split('exposure 0.5', { exposure: 0.5, ranges: all });
  split('exposure as a text', { exposure: '5', ranges: all });
  split('no ranges', { exposure: 5 });
  split('empty ranges', { exposure: 5, ranges: [] });
  split('ranges begin above 0', { exposure: 5, ranges: [{ variant: 'on', from: 1, to: 100000 }] });
  split('ranges end below 100000', { exposure: 5, ranges: [{ variant: 'on', from: 0, to: 99999 }] });
  split('ranges end above 100000', { exposure: 5, ranges: [{ variant: 'on', from: 0, to: 100001 }] });
  split('a gap', { exposure: 5, ranges: [{ variant: 'on', from: 0, to: 5 }, { variant: 'off', from: 6, to: 100000 }] });
  split('an overlap', { exposure: 5, ranges: [{ variant: 'on', from: 0, to: 5 }, { variant: 'off', from: 4, to: 100000 }] });
  split('not sorted', { exposure: 5, ranges: [{ variant: 'on', from: 5, to: 100000 }, { variant: 'off', from: 0, to: 5 }] });
  split('an empty range', { exposure: 5, ranges: [{ variant: 'on', from: 0, to: 0 }, ...all] });
  split('a range of no variant', { exposure: 5, ranges: [{ variant: 'purple', from: 0, to: 100000 }] });
  split('otherwise names no variant', { exposure: 5, otherwise: 'purple', ranges: all });
  split('an empty otherwise', { exposure: 5, otherwise: '', ranges: all });
  split('no object', 7);
  split('a range that is null', { exposure: 5, ranges: [null, ...all] });
  split('a range without from', { exposure: 5, ranges: [{ variant: 'on', to: 100000 }] });
  split('a range without variant', { exposure: 5, ranges: [{ from: 0, to: 100000 }] });
  split('a range cut within a bucket', { exposure: 5, ranges: [{ variant: 'on', from: 0, to: 0.5 }, { variant: 'on', from: 0.5, to: 100000 }] });
  split('bucketBy is no array', { exposure: 5, bucketBy: 'targetingKey', ranges: all });
  split('bucketBy with a null', { exposure: 5, bucketBy: [null], ranges: all });
  split('an empty hash', { exposure: 5, hash: '', ranges: all });
  split('an unknown hash', { exposure: 5, hash: 'h2', ranges: all });
  split('a malformed path', { exposure: 5, bucketBy: ['a..b'], ranges: all });
  split('nine paths', { exposure: 5, bucketBy: [...'abcdefghi'], ranges: all });
  split('a thousand and one ranges', { exposure: 5, ranges: Array.from({ length: 1001 }, (_, i) => ({ variant: i % 2 ? 'on' : 'off', from: i, to: i === 1000 ? 100000 : i + 1 })) });
  const condition = (name, when) => parse(`condition: ${name}`, boolean({ rules: [rule('r', when, 'off')] }));
  condition('empty', {});
  condition('no form that is known', { always: true });
  condition('a null in all', { all: [null] });
  condition('a null in any', { any: [{ all: [] }, null] });
  condition('not an array', { not: [] });
  condition('segment is empty', { segment: '' });
  condition('flag is empty', { flag: '', variants: ['on'] });
  condition('variants with a null', { flag: 'g', variants: ['on', null] });
  condition('an array', []);
  condition('a text', 'beta');
  condition('two forms', { all: [], any: [] });
  condition('segment and clause', { segment: 's', ...is('x', 1) });
  condition('negate beside segment', { segment: 's', negate: true });
  condition('negate beside all', { all: [], negate: true });
  condition('variants beside not', { not: { all: [] }, variants: ['on'] });
  condition('flag without variants', { flag: 'g' });
  condition('flag with empty variants', { flag: 'g', variants: [] });
  condition('all is no array', { all: {} });
  condition('an unknown operator', clause('x', 'near', 1));
  condition('an unknown operator deep inside', { any: [{ all: [{ not: clause('x', 'near', 1) }] }] });
  condition('a clause whose value does not parse', clause('x', 'semverEq', 'one'));
  const nots = (n) => (n === 0 ? is('plan', 'pro') : { not: nots(n - 1) });
  add('accepted: conditions 16 deep', one(boolean({ rules: [rule('r', nots(15), 'off')] })), u1, [['f', 'on default']]);
  condition('17 deep', nots(16));
}

function conditions() {
  const when = (name, c, holds, context = u1, more = {}) => {
    const flag = boolean({ rules: [rule('r', c, 'on')], default: { variant: 'off' } });
    add(`condition: ${name}`, { flags: { f: flag, ...more.flags }, ...more.others }, context, [['f', holds ? 'on rule' : 'off default']], more.quarantined);
  };
  const [yes, no] = [is('plan', 'pro'), is('plan', 'free')];
  when('all of none is true', { all: [] }, true);
  when('any of none is false', { any: [] }, false);
  when('all, every one', { all: [yes, yes] }, true);
  when('all, not every one', { all: [yes, no] }, false);
  when('any, one', { any: [no, yes] }, true);
  when('any, none', { any: [no, no] }, false);
  when('not true', { not: yes }, false);
  when('not false', { not: no }, true);
  when('not of a clause on a missing attribute is true', { not: is('country', 'de') }, true);
  when('negate of a clause on a missing attribute is false', { ...is('country', 'de'), negate: true }, false);
  when('nested', { all: [{ any: [no, { not: no }] }, { not: { all: [yes, no] } }] }, true);
  when('a member that is null is absent', { all: [yes], any: null, not: null, segment: null, flag: null, attribute: null }, true);
  when('a member that nobody knows is ignored', { all: [yes], remark: 'why' }, true);
  const g = { flags: { g: boolean() } };
  when('flag, the variant', { flag: 'g', variants: ['on'] }, true, u1, g);
  when('flag, another variant', { flag: 'g', variants: ['off'] }, false, u1, g);
  when('flag, one of two', { flag: 'g', variants: ['purple', 'on'] }, true, u1, g);
  when('flag that is disabled resolves to off', { flag: 'g', variants: ['off'] }, true, u1, { flags: { g: boolean({ enabled: false }) } });
  when('flag that is killed resolves to off', { flag: 'g', variants: ['off'] }, true, u1, { flags: { g: boolean() }, others: { kills: { k: { flag: 'g' } } } });
  when('flag with the same context', { flag: 'g', variants: ['b'] }, true, u1, { flags: { g: string({ rules: [rule('r', yes, 'b')] }) } });
  const bad = { g: boolean({ default: {} }) };
  const error = (name, c, expected, flags = bad, quarantined = ['g']) => {
    add(`condition: ${name}`, { flags: { f: boolean({ rules: [rule('r', c, 'on')], default: { variant: 'off' } }), ...flags } }, u1, [['f', expected]], quarantined);
  };
  const asks = { flag: 'g', variants: ['on'] };
  error('a flag that ends in ERROR ends the evaluation in GENERAL', asks, 'GENERAL');
  error('not of a flag that ends in ERROR', { not: asks }, 'GENERAL');
  error('any that stops before a flag that ends in ERROR', { any: [yes, asks] }, 'on rule');
  error('any that gets to a flag that ends in ERROR', { any: [asks, yes] }, 'GENERAL');
  error('all that stops before a flag that ends in ERROR', { all: [no, asks] }, 'off default');
  error('all that gets to a flag that ends in ERROR', { all: [asks, no] }, 'GENERAL');
  error('a flag whose condition ends in ERROR', { flag: 'h', variants: ['on'] }, 'GENERAL', { ...bad, h: boolean({ rules: [rule('r', asks, 'on')] }) });
  error('a flag whose prerequisite ends in ERROR is off', { flag: 'h', variants: ['off'] }, 'on rule', { ...bad, h: boolean({ prerequisites: [asks] }) });
  error('a flag that is quarantined and killed resolves to off', { flag: 'h', variants: ['off'] }, 'on rule', { h: boolean({ enabled: false, default: {} }) }, ['h']);
  const two = (first) => boolean({ rules: [rule('r1', first, 'on'), rule('r2', asks, 'on')], default: { variant: 'off' } });
  add('condition: a rule before the one that ends in ERROR', { flags: { f: two(yes), e: two(no), ...bad } }, u1, [['f', 'on rule'], ['e', 'GENERAL']], ['g']);
  add('condition: a typed call keeps the error', { flags: { f: two(no), ...bad } }, u1, [['f', 'GENERAL', 'string'], ['g', 'PARSE_ERROR', 'number']], ['g']);
}

function references() {
  const asks = (flag, ...variants) => ({ flag, variants: variants.length > 0 ? variants : ['on'] });
  const by = (c, more) => boolean({ rules: [rule('r', c, 'on')], default: { variant: 'off' }, ...more });
  const pre = (...flags) => boolean({ prerequisites: flags.map((f) => asks(f)) });
  add('dangling: a segment', one(by({ segment: 'gone' })), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('dangling: a flag in a condition', one(by(asks('gone'))), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('dangling: a prerequisite', one(pre('gone')), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('dangling: behind a condition that stops early', one(by({ any: [{ all: [] }, { segment: 'gone' }] })), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('dangling: a segment in a segment', { flags: { f: by({ segment: 's' }) }, segments: { s: { when: { segment: 'gone' } } } }, u1, [['f', 'PARSE_ERROR']], ['f']);
  add('dangling: a flag in a segment', { flags: { f: by({ segment: 's' }) }, segments: { s: { when: asks('gone') } } }, u1, [['f', 'PARSE_ERROR']], ['f']);
  add('dangling: a prerequisite whose own reference dangles ends in ERROR', { flags: { f: pre('g'), g: pre('gone') } }, u1, [['f', 'off prerequisite'], ['g', 'PARSE_ERROR']], ['g']);
  add('dangling: a segment that nobody uses', { flags: { f: boolean() }, segments: { s: { when: { segment: 'gone' } } } }, u1, [['f', 'on default']]);
  add('cycle: a prerequisite of itself', one(pre('f')), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('cycle: a condition on itself', one(by(asks('f'))), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('cycle: two prerequisites', { flags: { f: pre('g'), g: pre('f') } }, u1, [['f', 'PARSE_ERROR'], ['g', 'PARSE_ERROR']], ['f', 'g']);
  add('cycle: three, by prerequisite and condition', { flags: { f: pre('g'), g: by(asks('h')), h: pre('f') } }, u1, [['f', 'PARSE_ERROR'], ['g', 'PARSE_ERROR'], ['h', 'PARSE_ERROR']], ['f', 'g', 'h']);
  add('cycle: a flag that refers to one on a cycle by prerequisite', { flags: { f: pre('g'), g: pre('h'), h: pre('g') } }, u1, [['f', 'off prerequisite']], ['g', 'h']);
  add('cycle: a flag that refers to one on a cycle by condition', { flags: { f: by(asks('g')), g: pre('h'), h: pre('g') } }, u1, [['f', 'GENERAL']], ['g', 'h']);
  add('cycle: a segment of itself', { flags: { f: by({ segment: 's' }) }, segments: { s: { when: { segment: 's' } } } }, u1, [['f', 'PARSE_ERROR']], ['f']);
  add('cycle: two segments', { flags: { f: by({ segment: 's' }) }, segments: { s: { when: { segment: 't' } }, t: { when: { not: { segment: 's' } } } } }, u1, [['f', 'PARSE_ERROR']], ['f']);
  add('cycle: reached through a segment', { flags: { f: by({ segment: 'r' }), g: pre('f') }, segments: { r: { when: { segment: 's' } }, s: { when: { segment: 's' } } } }, u1, [['f', 'PARSE_ERROR'], ['g', 'off prerequisite']], ['f']);
  add('cycle: a flag and a segment', { flags: { f: by({ segment: 's' }) }, segments: { s: { when: asks('f') } } }, u1, [['f', 'PARSE_ERROR']], ['f']);
  add('cycle: a flag that uses a segment on a cycle', { flags: { f: by({ segment: 's' }), g: by({ segment: 's' }), h: pre('g') }, segments: { s: { when: asks('f') } } }, u1, [['f', 'PARSE_ERROR'], ['g', 'PARSE_ERROR'], ['h', 'off prerequisite']], ['f', 'g']);
  add('cycle: a flag that gets to a flag on a cycle through a segment sees an ERROR', { flags: { f: by({ segment: 's' }), g: pre('h'), h: pre('g') }, segments: { s: { when: asks('g') } } }, u1, [['f', 'GENERAL'], ['g', 'PARSE_ERROR']], ['g', 'h']);
  add('cycle: one of its flags is killed and sound', { flags: { f: pre('g'), g: pre('f') }, kills: { k: { flag: 'g' } } }, u1, [['f', 'PARSE_ERROR'], ['g', 'off killed']], ['f', 'g']);
  add('cycle: one of its flags is disabled and sound', { flags: { f: pre('g'), g: pre('f'), e: by(asks('g', 'off')) , }, kills: { k: { flag: 'g' } } }, u1, [['e', 'on rule']], ['f', 'g']);
  add('cycle: none when one of its documents is malformed', { flags: { f: pre('g'), g: { ...pre('f'), salt: 'x' } } }, u1, [['f', 'off prerequisite'], ['g', 'PARSE_ERROR']], ['g']);
  add('cycle: a dangling document still has references', { flags: { f: pre('g'), g: pre('f', 'gone') } }, u1, [['f', 'PARSE_ERROR'], ['g', 'PARSE_ERROR']], ['f', 'g']);
  add('cycle: none through a segment that is malformed', { flags: { f: by({ segment: 's' }), g: pre('f') }, segments: { s: { key: 't', when: asks('f') } } }, u1, [['f', 'PARSE_ERROR'], ['g', 'off prerequisite']], ['f']);
  add('cycle: two of them, apart', { flags: { a: pre('b'), b: pre('a'), c: pre('d'), d: pre('c'), e: boolean() } }, u1, [['a', 'PARSE_ERROR'], ['d', 'PARSE_ERROR'], ['e', 'on default']], ['a', 'b', 'c', 'd']);
  add('quarantined segment: quarantines the flags that reach it', { flags: { f: by({ segment: 's' }), g: by({ segment: 't' }), h: boolean() }, segments: { s: { when: {} }, t: { when: { segment: 's' } } } }, u1, [['f', 'PARSE_ERROR'], ['g', 'PARSE_ERROR'], ['h', 'on default']], ['f', 'g']);
  add('quarantined segment: a flag that refers to such a flag sees it end in ERROR', { flags: { f: by({ segment: 's' }), g: pre('f'), h: by(asks('f')) }, segments: { s: { when: {} } } }, u1, [['g', 'off prerequisite'], ['h', 'GENERAL']], ['f']);
  add('quarantined segment: a killed flag is still off', { flags: { f: by({ segment: 's' }) }, segments: { s: { schema: 2 } }, kills: { k: { flag: 'f' } } }, u1, [['f', 'off killed']], ['f']);

  // Work: segments s0 … sn that each ask the one before twice cost 6·2^n − 4 nodes.
  const segments = { s0: { when: is('x', 'y') } };
  for (let i = 1; i <= 14; i++) segments[`s${i}`] = { when: { any: [{ segment: `s${i - 1}` }, { segment: `s${i - 1}` }] } };
  const cost = (i) => 1 + 6 * 2 ** i - 4; // the condition, and the segment that it visits
  const filled = (nodes) => {
    const parts = [];
    let left = nodes - 2; // the flag and the any
    for (let i = 13; i >= 0; i--) {
      while (left >= cost(i) && cost(i) > 1) {
        parts.push({ segment: `s${i}` });
        left -= cost(i);
      }
    }
    while (left-- > 0) parts.push(is('x', 'y'));
    return by({ any: parts });
  };
  const used = (more) => ({ ...more, segments });
  add('work: 65,536 nodes', used({ flags: { f: filled(65536) } }), u1, [['f', 'off default']]);
  add('work: 65,537 nodes', used({ flags: { f: filled(65537) } }), u1, [['f', 'PARSE_ERROR']], ['f']);
  add('work: a prerequisite counts with all that it visits', used({ flags: { f: pre('g'), g: filled(65535), h: pre('i'), i: filled(65536) } }), u1, [['f', 'off prerequisite'], ['h', 'PARSE_ERROR'], ['i', 'off default']], ['h']);
  add('work: a flag in a condition counts with all that it visits', used({ flags: { f: by(asks('g', 'off')), g: filled(65534), h: by(asks('i')), i: filled(65535) } }), u1, [['f', 'on rule'], ['h', 'PARSE_ERROR']], ['h']);
  add('work: a quarantined flag counts 1', used({ flags: { f: boolean({ prerequisites: [asks('g'), asks('g')] }), g: filled(70000) } }), u1, [['f', 'off prerequisite'], ['g', 'PARSE_ERROR']], ['g']);
  add('work: a disabled flag counts as if it were enabled', used({ flags: { f: pre('g'), g: { ...filled(65536), enabled: false } } }), u1, [['f', 'PARSE_ERROR'], ['g', 'off off']], ['f']);
  add('work: a killed flag counts as if it were not', used({ flags: { f: pre('g'), g: filled(65536) }, kills: { k: { flag: 'g' } } }), u1, [['f', 'PARSE_ERROR'], ['g', 'off killed']], ['f']);
  add('work: all rules count', used({ flags: { f: boolean({ rules: [rule('a', { segment: 's13' }, 'on'), rule('b', { segment: 's11' }, 'off')] }) } }), u1, [['f', 'on default']]);
  add('work: all rules count, above the limit', used({ flags: { f: boolean({ rules: [rule('a', { segment: 's13' }, 'on'), rule('b', { segment: 's13' }, 'on')] }) } }), u1, [['f', 'PARSE_ERROR']], ['f']);
  comparisons();
}

// Besides nodes, values count that are compared one by one, and patterns by what they are written out. Segments s0 … s10 double what s0 counts.
function comparisons() {
  const doubled = (when, more) => {
    const segments = { s0: { when } };
    for (let i = 1; i <= 10; i++) segments[`s${i}`] = { when: { any: [{ segment: `s${i - 1}` }, { segment: `s${i - 1}` }] } };
    return { flags: { f: boolean({ rules: [rule('r', { any: [{ segment: 's10' }, ...Array(more).fill(is('x', 'y'))] }, 'on')], default: { variant: 'off' } }) }, segments };
  };
  // s0 counts 2 and its values, sn twice sn−1 and 4, the flag 3 and s10.
  const fills = (counted) => 65_536 - 3 - (1024 * (2 + counted + 4) - 4);
  const limit = (name, when, counted) => {
    const more = fills(counted);
    add(`work: ${name}`, doubled(when, more), u1, [['f', 'off default']]);
    add(`work: ${name}, above the limit`, doubled(when, more + 1), u1, [['f', 'PARSE_ERROR']], ['f']);
  };
  const all = (value) => Array.from({ length: 58 }, (_, i) => value(i + 1));
  for (const op of ['contains', 'startsWith', 'endsWith']) limit(`values of ${op}`, clause('x', op, ...all((i) => `v${i}`)), 58);
  limit('values of inCidr', clause('x', 'inCidr', ...all((i) => `10.${i}.0.0/16`)), 58);
  for (const op of ['Eq', 'Lt', 'Lte', 'Gt', 'Gte', 'Tilde', 'Caret']) limit(`values of semver${op}`, clause('x', `semver${op}`, ...all((i) => `1.${i}.0`)), 58);
  limit('patterns, written out', clause('x', 'matches', 'a{52}', '(bc)[d-f]|g'), 58);
  const free = (name, when) => add(`work: ${name} count nothing`, doubled({ any: [when, clause('x', 'contains', ...all((i) => `v${i}`).slice(2))] }, fills(58)), u1, [['f', 'off default']]);
  free('values of in', clause('x', 'in', ...all((i) => `v${i}`), 1, true));
  for (const op of ['lt', 'lte', 'gt', 'gte']) free(`values of ${op}`, clause('x', op, ...all((i) => i)));
  for (const op of ['before', 'after']) free(`values of ${op}`, clause('x', op, ...all((i) => i)));
  free('values of modulo', clause('x', 'modulo', 10, 3));

  const matches = (n, ...more) => clause('x', 'matches', ...Array.from({ length: n }, (_, i) => `^${String.fromCharCode(65 + (i % 26))}{999}`), ...more);
  const two = (n, ...more) => boolean({ rules: [rule('a', matches(20), 'on'), rule('b', { not: { all: [matches(n, ...more)] } }, 'on')], default: { variant: 'off' } });
  const cold = { ...u1, x: 'a' };
  add('patterns: 50,000 in a document, written out', { flags: { f: two(30) } }, cold, [['f', 'on rule']]);
  add('patterns: 50,001 in a document, written out', { flags: { f: two(30, 'b') } }, cold, [['f', 'PARSE_ERROR']], ['f']);
  const across = (n, ...more) => ({ flags: { f: boolean({ rules: [rule('a', { any: [{ segment: 's' }, matches(10)] }, 'on')], default: { variant: 'off' } }) }, segments: { s: { when: { any: [matches(20), matches(n, ...more)] } } } });
  add('patterns: each document for itself', across(30), cold, [['f', 'off default']]);
  add('patterns: 50,001 in a segment, written out', across(30, 'b'), cold, [['f', 'PARSE_ERROR']], ['f']);
}

function segments() {
  const inside = (name, s, holds, context = u1, more = {}) => {
    const flag = boolean({ rules: [rule('r', { segment: 's' }, 'on')], default: { variant: 'off' } });
    const expected = holds === 'bad' ? 'PARSE_ERROR' : holds ? 'on rule' : 'off default';
    add(`segment: ${name}`, { flags: { f: flag, ...more.flags }, segments: { s, ...more.segments }, ...(more.lists ? { lists: more.lists } : {}) }, context, [['f', expected]], [...(holds === 'bad' ? ['f'] : []), ...(more.quarantined ?? [])]);
  };
  const [yes, no] = [is('plan', 'pro'), is('plan', 'free')];
  const u = (...keys) => ({ targetingKey: keys });
  inside('when is true', { key: 's', version: 1, when: yes }, true);
  inside('when is false', { when: no }, false);
  inside('no when: out', {}, false);
  inside('when null: out', { when: null }, false);
  inside('included', { include: u('u1') }, true);
  inside('included, though when is false', { include: u('u1'), when: no }, true);
  inside('not included, when decides', { include: u('u2'), when: yes }, true);
  inside('excluded, though when is true', { exclude: u('u1'), when: yes }, false);
  inside('included and excluded: in', { include: u('u1'), exclude: u('u1') }, true);
  inside('active false: nobody', { active: false, include: u('u1'), when: yes }, false);
  inside('active true', { active: true, include: u('u1') }, true);
  inside('active null is true', { active: null, include: u('u1') }, true);
  inside('not of an inactive one is true', { active: false, when: yes }, true, u1, { flags: { f: boolean({ rules: [rule('r', { not: { segment: 's' } }, 'on')], default: { variant: 'off' } }) } });
  inside('by another attribute', { include: { 'company.id': ['c9'] } }, true, { company: { id: 'c9' } });
  inside('by two attributes, either', { include: { 'company.id': ['c9'], targetingKey: ['u7'] } }, true, { targetingKey: 'u1', company: { id: 'c9' } });
  inside('by an attribute that is missing', { include: { 'company.id': ['c9'] } }, false);
  inside('by an array: any element', { include: { groups: ['beta'] } }, true, { groups: ['alpha', 'beta'] });
  inside('by an array: no element', { include: { groups: ['beta'] } }, false, { groups: ['alpha', null, {}] });
  inside('a number is a key', { include: { id: ['17'] } }, true, '{"id":17.0}');
  inside('minus zero is the key 0', { include: { id: ['0'] } }, true, '{"id":-0.0}');
  inside('a number in an array is a key', { include: { id: ['17'] } }, true, { id: ['x', 17] });
  inside('a fraction is no key', { include: { id: ['1.5'] } }, false, { id: 1.5 });
  inside('a boolean is no key', { include: { id: ['true'] } }, false, { id: true });
  inside('keys have case', { include: u('U1') }, false);
  inside('an empty string is no key', { include: { id: [''] } }, false, { id: '' });
  inside('an empty list of keys', { include: u() }, false);
  inside('a segment in a segment', { when: { segment: 't' } }, true, u1, { segments: { t: { include: u('u1') } } });
  inside('a flag in a segment', { when: { flag: 'g', variants: ['on'] } }, true, u1, { flags: { g: boolean() } });
  const bad = { g: boolean({ salt: '' }) };
  add('segment: a flag in its when that ends in ERROR', { flags: { f: boolean({ rules: [rule('r', { segment: 's' }, 'on')] }), ...bad }, segments: { s: { when: { flag: 'g', variants: ['on'] } } } }, u1, [['f', 'GENERAL']], ['g']);
  inside('included before a flag that ends in ERROR is asked', { include: u('u1'), when: { flag: 'g', variants: ['on'] } }, true, u1, { flags: bad, quarantined: ['g'] });
  inside('excluded before a flag that ends in ERROR is asked', { exclude: u('u1'), when: { flag: 'g', variants: ['on'] } }, false, u1, { flags: bad, quarantined: ['g'] });
  inside('inactive before a flag that ends in ERROR is asked', { active: false, when: { flag: 'g', variants: ['on'] } }, false, u1, { flags: bad, quarantined: ['g'] });
  inside('another key in the document', { key: 't' }, 'bad');
  inside('schema 2', { schema: 2, include: u('u1') }, 'bad');
  inside('active is no boolean', { active: 'yes', include: u('u1') }, 'bad');
  inside('include is no object', { include: ['u1'] }, 'bad');
  inside('keys are no array', { include: { targetingKey: 'u1' } }, 'bad');
  inside('a key that is a number', { include: { id: [17] } }, 'bad', { id: 17 });
  inside('a key that is null', { include: { id: ['a', null] } }, 'bad');
  inside('lists is no array', { lists: {} }, 'bad');
  inside('a malformed path', { include: { 'a..b': ['u1'] } }, 'bad');
  inside('a malformed path in exclude', { exclude: { '': ['u1'] } }, 'bad');
  inside('a condition that does not compile', { include: u('u1'), when: clause('x', 'near', 1) }, 'bad');
  inside('a document that is no object', 7, 'bad');
  inside('a member that nobody knows is ignored', { include: u('u1'), owner: 'me' }, true);

  const listSalt = 'a1b2c3d4e5f6';
  const shardsOf = (side, ...keys) => {
    const prints = keys.map((k) => Buffer.from(fingerprint(listSalt, k))).sort(Buffer.compare);
    const out = {};
    for (const p of prints) {
      const at = `s:${side}:${hex(p.subarray(0, 1))}`;
      out[at] ??= { key: at, segment: 's', side, shard: p[0], prints: [] };
      out[at].prints.push(p);
    }
    return Object.fromEntries(Object.entries(out).map(([at, { prints: all, ...shard }]) => [at, { ...shard, fingerprints: Buffer.concat(all).toString('base64') }]));
  };
  const ref = (side, attribute = 'targetingKey') => ({ side, attribute, salt: listSalt });
  const listed = (name, s, holds, context, lists, more = {}) => inside(`list: ${name}`, s, holds, context, { lists, ...more });
  const many = shardsOf('include', ...Array.from({ length: 40 }, (_, i) => `u${i}`));
  listed('included', { lists: [ref('include')] }, true, u1, many);
  listed('not included', { lists: [ref('include')] }, false, { targetingKey: 'v1' }, many);
  listed('no shard at all is an empty list', { lists: [ref('include')] }, false, u1, undefined);
  listed('excluded', { lists: [ref('exclude')], when: yes }, false, u1, shardsOf('exclude', 'u1'));
  listed('inline include before a list that excludes', { include: u('u1'), lists: [ref('exclude')] }, true, u1, shardsOf('exclude', 'u1'));
  listed('a list that includes before inline exclude', { exclude: u('u1'), lists: [ref('include')] }, true, u1, many);
  listed('both sides: include first', { lists: [ref('exclude'), ref('include')] }, true, u1, { ...shardsOf('exclude', 'u1'), ...many });
  listed('both sides: excluded only', { lists: [ref('exclude'), ref('include')], when: yes }, false, { targetingKey: 'v1', plan: 'pro' }, { ...shardsOf('exclude', 'v1'), ...many });
  listed('by another attribute', { lists: [ref('include', 'company.id')] }, true, { company: { id: 'c9' } }, shardsOf('include', 'c9'));
  listed('a number is a key', { lists: [ref('include', 'id')] }, true, '{"id":17.0}', shardsOf('include', '17'));
  listed('any element of an array', { lists: [ref('include', 'groups')] }, true, { groups: ['x', 'beta'] }, shardsOf('include', 'beta'));
  listed('a key that is not ASCII', { lists: [ref('include')] }, true, { targetingKey: 'Zoë 😀' }, shardsOf('include', 'Zoë 😀'));
  listed('another salt, another fingerprint', { lists: [{ ...ref('include'), salt: 'zzzzzzzzzzzz' }] }, false, u1, many);
  listed('inactive', { active: false, lists: [ref('include')] }, false, u1, many);
  listed('a segment that does not name its list', {}, false, u1, many);
  listed('an empty shard', { lists: [ref('include')] }, false, u1, { 's:include:00': { segment: 's', side: 'include', shard: 0, fingerprints: '' } });
  listed('a shard without fingerprints', { lists: [ref('include')] }, false, u1, { 's:include:00': {} });
  listed('a list whose salt is malformed', { lists: [{ ...ref('include'), salt: 'UPPER' }] }, 'bad', u1, many);
  listed('a list without attribute', { lists: [{ side: 'include', salt: listSalt }] }, 'bad', u1, many);
  listed('two lists of one side', { lists: [ref('include'), ref('include')] }, 'bad', u1, many);
  listed('an unknown side', { lists: [ref('outside')] }, 'bad', u1, many);
  listed('a malformed path', { lists: [ref('include', 'a..b')] }, 'bad', u1, many);
  const [at, shard] = Object.entries(shardsOf('include', 'u1'))[0];
  const short = (more) => ({ [at]: { fingerprints: shard.fingerprints, ...more } });
  listed('a shard that names nothing of itself', { lists: [ref('include')] }, true, u1, short());
  listed('a shard whose members are null', { lists: [ref('include')] }, true, u1, short({ key: null, segment: null, side: null, shard: null }));
  const broken = (name, more) => listed(name, { lists: [ref('include')] }, 'bad', u1, { [at]: { ...shard, ...more } });
  broken('a shard with another key', { key: 's:include:zz' });
  broken('a shard with schema 2', { schema: 2 });
  broken('a shard with another number', { shard: (shard.shard + 1) % 256 });
  broken('a shard of another side', { side: 'exclude' });
  broken('a shard of another segment', { segment: 't' });
  broken('fingerprints that are not base64', { fingerprints: '!!' });
  broken('fingerprints without padding', { fingerprints: shard.fingerprints.replace(/=+$/, '') });
  broken('fingerprints with a line break', { fingerprints: `${shard.fingerprints}\n` });
  broken('fingerprints that are no text', { fingerprints: [] });
  broken('half a fingerprint', { fingerprints: Buffer.from(fingerprint(listSalt, 'u1').slice(0, 8)).toString('base64') });
  const twice = Buffer.concat([Buffer.from(fingerprint(listSalt, 'u1')), Buffer.from(fingerprint(listSalt, 'u1'))]);
  broken('a fingerprint twice', { fingerprints: twice.toString('base64') });
  const pair = [Buffer.from(fingerprint(listSalt, 'u1')), Buffer.from(fingerprint(listSalt, 'u1'))];
  pair[1][15] ^= 1;
  pair.sort(Buffer.compare).reverse();
  broken('fingerprints that are not sorted', { fingerprints: Buffer.concat(pair).toString('base64') });
  const foreign = Buffer.from(fingerprint(listSalt, 'u1'));
  foreign[0] ^= 1;
  broken('a fingerprint of another shard', { fingerprints: foreign.toString('base64') });
  const order = { include: u('u7'), exclude: u('u8') };
  for (const [k, holds] of [['u7', true], ['u8', false], ['u9', true], ['u10', false]]) {
    inside(`all five places, ${k}`, { ...order, lists: [ref('include'), ref('exclude')], when: is('targetingKey', 'u8', 'u9', 'u10') }, holds, { targetingKey: k }, { lists: shardsOf('exclude', 'u10', 'u7') });
  }
}

function kills() {
  const at = '2026-11-20T14:02:00Z';
  const kill = (name, all, killed) => add(`kill: ${name}`, one(boolean(), { kills: all }), u1, [['f', killed ? 'off killed' : 'on default']]);
  kill('in force', { k: { id: 'k', flag: 'f', at } }, true);
  kill('cleared', { k: { id: 'k', flag: 'f', at, clearedAt: '2026-11-21T00:00:00Z' } }, false);
  kill('clearedAt null', { k: { id: 'k', flag: 'f', at, clearedAt: null } }, true);
  kill('clearedAt in the future clears now', { k: { id: 'k', flag: 'f', at, clearedAt: '9999-01-01T00:00:00Z' } }, false);
  kill('one cleared, one in force', { a: { flag: 'f', clearedAt: at }, b: { flag: 'f' } }, true);
  kill('one in force, one cleared', { a: { flag: 'f' }, b: { flag: 'f', clearedAt: at } }, true);
  kill('two cleared', { a: { flag: 'f', clearedAt: at }, b: { flag: 'f', clearedAt: at } }, false);
  kill('of another flag', { k: { flag: 'g' } }, false);
  kill('without a flag', { k: { id: 'k' } }, false);
  kill('flag is a number', { k: { id: 'k', flag: 7 } }, false);
  kill('clearedAt is empty', { k: { flag: 'f', clearedAt: '' } }, true);
  kill('clearedAt is no instant', { k: { flag: 'f', clearedAt: 'yesterday' } }, true);
  kill('clearedAt is a date alone', { k: { flag: 'f', clearedAt: '2026-11-21' } }, true);
  kill('clearedAt is a number', { k: { flag: 'f', clearedAt: 1795000000000 } }, true);
  kill('clearedAt is true', { k: { flag: 'f', clearedAt: true } }, true);
  kill('malformed by another id, but the flag can be read', { k: { id: 'x', flag: 'f' } }, true);
  kill('malformed by its at, but the flag can be read', { k: { id: 'k', flag: 'f', at: 7 } }, true);
  kill('malformed by another id and cleared: still kills', { k: { id: 'x', flag: 'f', clearedAt: at } }, true);
  kill('schema 2 and cleared: still kills', { k: { schema: 2, flag: 'f', clearedAt: at } }, true);
  kill('schema 2, but the flag can be read', { k: { schema: 2, flag: 'f' } }, true);
  kill('no object', { k: 'f' }, false);
  kill('a member that nobody knows', { k: { flag: 'f', by: 'me' } }, true);
}

function types() {
  const flags = {
    boolean: boolean(),
    string: string(),
    integer: { ...boolean(), type: 'number', variants: [{ key: 'on', value: 42 }, { key: 'off', value: 0 }] },
    fraction: { ...boolean(), type: 'number', variants: [{ key: 'on', value: 3.14 }, { key: 'off', value: 0 }] },
    negative: { ...boolean(), type: 'number', variants: [{ key: 'on', value: -9007199254740991 }, { key: 'off', value: 0 }] },
    object: { ...boolean(), type: 'json', variants: [{ key: 'on', value: { a: [1, { b: null }], z: 'ü' } }, { key: 'off', value: {} }] },
    text: { ...boolean(), type: 'json', variants: [{ key: 'on', value: 'text' }, { key: 'off', value: false }] },
    number: { ...boolean(), type: 'json', variants: [{ key: 'on', value: 1 }, { key: 'off', value: 0 }] },
    empty: string({ default: { variant: 'none' } }),
    off: string({ enabled: false }),
  };
  const fits = {
    boolean: ['boolean'], string: ['string'], integer: ['number', 'integer'], fraction: ['number'], negative: ['number', 'integer'],
    object: ['json'], text: ['json'], number: ['json'], empty: ['string'], off: ['string'],
  };
  const answers = { string: 'a default', empty: 'none default', off: 'none off' };
  for (const [key2, flag] of Object.entries(flags)) {
    const answer = answers[key2] ?? 'on default';
    const all = ['boolean', 'string', 'number', 'integer', 'json'];
    add(`type: a flag that is ${key2}, asked for each type`, { flags: { f: flag } }, u1, [['f', answer], ...all.map((t) => ['f', fits[key2].includes(t) ? answer : 'TYPE_MISMATCH', t])]);
  }
  add('type: a killed flag too', one(boolean(), { kills: { k: { flag: 'f' } } }), u1, [['f', 'TYPE_MISMATCH', 'string'], ['f', 'off killed', 'boolean']]);
  add('type: an unknown flag is not found, whatever is asked for', one(boolean()), u1, [['g', 'FLAG_NOT_FOUND', 'string']]);
}

function contexts() {
  const flag = boolean({ rules: [rule('r', { any: [is('plan', 'pro'), is('targetingKey', '7', '0', 'u1')] }, 'on')], default: { variant: 'off' } });
  const refused = (name, context) => add(`context refused: ${name}`, one(flag), context, [['f', 'INVALID_CONTEXT'], ['f', 'INVALID_CONTEXT', 'boolean']]);
  const taken = (name, context, on = true) => add(`context: ${name}`, one(flag), context, [['f', on ? 'on rule' : 'off default']]);
  const deep = (n) => (n === 1 ? {} : { a: deep(n - 1) });
  const nested = (n) => (n === 1 ? 'x' : [nested(n - 1)]);
  const attributes = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`a${i}`, i]));
  taken('targetingKey is an integer number', '{"targetingKey":7}');
  taken('targetingKey 7.0', '{"targetingKey":7.0}');
  taken('targetingKey -0', '{"targetingKey":-0}');
  taken('targetingKey null', '{"targetingKey":null}', false);
  taken('empty', '{}', false);
  taken('blanks around', ' {"targetingKey" : "u1" } ');
  taken('16 deep', { targetingKey: 'u1', a: deep(15) });
  taken('16 deep with arrays', { targetingKey: 'u1', a: nested(16) });
  taken('100 attributes', { targetingKey: 'u1', ...attributes(100) });
  taken('a string of 1,024 bytes', { targetingKey: 'u1', a: 'x'.repeat(1024) });
  taken('a name of 256 bytes', { targetingKey: 'u1', ['n'.repeat(256)]: 1 });
  taken('null is missing', { plan: null }, false);
  taken('the last of two equal names counts', '{"plan":"free","plan":"pro"}');
  taken('the last of two targetingKeys counts', '{"targetingKey":"u1","targetingKey":"u2"}', false);
  refused('no JSON', '{');
  refused('empty text', '');
  refused('an array', '[]');
  refused('a string', '"u1"');
  refused('null', 'null');
  refused('something behind', '{} {}');
  refused('targetingKey is a fraction', '{"targetingKey":1.5}');
  taken('targetingKey 2^53-1', '{"targetingKey":9007199254740991}', false);
  refused('targetingKey is 2^53', '{"targetingKey":9007199254740992}');
  refused('targetingKey is -2^53', '{"targetingKey":-9007199254740992}');
  refused('targetingKey is a boolean', '{"targetingKey":true}');
  refused('targetingKey is an array', '{"targetingKey":["u1"]}');
  refused('targetingKey is an object', '{"targetingKey":{}}');
  refused('17 deep', { a: deep(16) });
  refused('17 deep with arrays', { a: nested(17) });
  refused('101 attributes', attributes(101));
  refused('a string of 1,025 bytes', { a: 'x'.repeat(1025) });
  refused('a string of 513 characters of two bytes', { a: 'é'.repeat(513) });
  refused('a long string deep inside', { a: [{ b: 'x'.repeat(1025) }] });
  refused('a targetingKey of 1,025 bytes', { targetingKey: 'x'.repeat(1025) });
  refused('a name of 257 bytes', { ['n'.repeat(257)]: 1 });
  refused('a name of 257 bytes deep inside', { a: { ['n'.repeat(257)]: 1 } });
  const filled = (bytes) => {
    const context = { targetingKey: 'u1', a: Array.from({ length: 64 }, () => 'x'.repeat(1000)), b: '', c: '' };
    let rest = bytes - text(context).length;
    for (const name of ['b', 'c']) {
      context[name] = 'x'.repeat(Math.min(rest, 1000));
      rest -= context[name].length;
    }
    if (text(context).length !== bytes) throw new Error(`${text(context).length} bytes`);
    return text(context);
  };
  taken('65,536 bytes', filled(65536));
  refused('65,537 bytes', filled(65537));
}

export function flags() {
  rows.length = 0;
  order();
  distributions();
  malformed();
  conditions();
  references();
  segments();
  kills();
  types();
  contexts();
  return rows;
}

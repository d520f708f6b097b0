// The cases of clauses.json: one clause, one context, and whether it holds.
import { compileClause, operatorNames } from './clause.mjs';
import { parseContext } from './context.mjs';
import { text } from './text.mjs';

const missing = Symbol('no attribute');

function clauseCase(name, clause, value, contextText) {
  const context = value === missing ? { targetingKey: 'u1' } : { targetingKey: 'u1', x: value };
  const json = contextText ?? text(context);
  const parsed = parseContext(json);
  if (!parsed) throw new Error(`${name}: not a context`);
  const full = { attribute: 'x', ...clause };
  const known = Object.fromEntries(Object.entries(full).filter(([, m]) => m !== null && m !== undefined));
  const holds = compileClause(JSON.parse(text(known)));
  const want = holds ? (holds(parsed) ? 'true' : 'false') : 'quarantined';
  return { name, clause: full, ...(contextText === undefined ? { context } : { contextText }), want };
}

// Where an author of cases has an opinion it is written down, and a difference stops the generator.
const rows = [];
function add(want, name, op, values, value, options = {}) {
  const c = clauseCase(`${op}: ${name}`, { op, values, ...options }, value);
  if (c.want !== want) throw new Error(`${c.name}: ${c.want}, the case says ${want}`);
  rows.push(c);
}
const yes = (...a) => add('true', ...a);
const no = (...a) => add('false', ...a);
const bad = (...a) => add('quarantined', ...a);
const negate = { negate: true };
const ignoreCase = { ignoreCase: true };
const both = { negate: true, ignoreCase: true };

// One usable match and one usable miss for every operator that has values.
const samples = {
  in: [['pro', 'team'], 'team', 'free', 1],
  contains: [['bet'], 'alphabet', 'gamma', 1],
  startsWith: [['al'], 'alphabet', 'gamma', 1],
  endsWith: [['bet'], 'alphabet', 'gamma', 1],
  matches: [['^a.*t$'], 'alphabet', 'gamma', 1],
  lt: [[10], 9, 11, '9'],
  lte: [[10], 10, 11, '10'],
  gt: [[10], 11, 9, '11'],
  gte: [[10], 10, 9, '10'],
  before: [['2026-11-20T14:02:00Z'], '2026-11-20T14:01:59Z', '2026-11-20T14:02:01Z', 'yesterday'],
  after: [['2026-11-20T14:02:00Z'], '2026-11-20T14:02:01Z', '2026-11-20T14:01:59Z', 'yesterday'],
  semverEq: [['1.2.3'], '1.2.3', '1.2.4', 'one'],
  semverLt: [['1.2.3'], '1.2.2', '1.2.3', 'one'],
  semverLte: [['1.2.3'], '1.2.3', '1.2.4', 'one'],
  semverGt: [['1.2.3'], '1.2.4', '1.2.3', 'one'],
  semverGte: [['1.2.3'], '1.2.3', '1.2.2', 'one'],
  semverTilde: [['1.2.3'], '1.2.9', '1.3.0', 'one'],
  semverCaret: [['1.2.3'], '1.9.0', '2.0.0', 'one'],
  inCidr: [['10.0.0.0/8'], '10.1.2.3', '11.1.2.3', 'localhost'],
  modulo: [[10, 3], 13, 14, '13'],
};

function everyOperator() {
  for (const op of operatorNames) {
    if (op === 'exists') continue;
    const [values, match, miss, unusable] = samples[op];
    yes('a match', op, values, match);
    no('no match', op, values, miss);
    no('negated, a match', op, values, match, negate);
    yes('negated, no match', op, values, miss, negate);
    no('missing', op, values, missing);
    no('negated, missing: still false', op, values, missing, negate);
    no('null counts as missing', op, values, null);
    no('negated, null: still false', op, values, null, negate);
    no('wrong type', op, values, unusable);
    no('negated, wrong type: still false', op, values, unusable, negate);
    no('a boolean is not usable', op, values, true);
    no('an object is not usable', op, values, { x: match });
    no('negated, an object: still false', op, values, { x: match }, negate);
    yes('an array of which one matches', op, values, [unusable, null, miss, match]);
    no('negated, an array of which one matches', op, values, [miss, match], negate);
    no('an array of which none matches', op, values, [miss, miss]);
    yes('negated, an array of which none matches', op, values, [unusable, miss], negate);
    no('an empty array has no usable candidate', op, values, []);
    no('negated, an empty array: still false', op, values, [], negate);
    no('negated, an array of unusable ones: still false', op, values, [unusable, null, {}], negate);
    no('a nested array is a candidate of no type', op, values, [[match]]);
    bad('no values', op, [], match);
    bad('values absent', op, undefined, match);
    bad('values is no array', op, values[0], match);
    bad('a value that is null', op, [null], match);
    bad('a value that is an object', op, [{}], match);
    bad('a value that is an array', op, [values], match);
    if (!['in', 'contains', 'startsWith', 'endsWith', 'matches'].includes(op)) {
      bad('ignoreCase does not belong here', op, values, match, ignoreCase);
    } else {
      yes('ignoreCase: a match in other case', op, values, match.toUpperCase(), ignoreCase);
      no('case counts without ignoreCase', op, values, match.toUpperCase());
      no('ignoreCase and negate, a match in other case', op, values, match.toUpperCase(), both);
      no('ignoreCase and negate, missing: still false', op, values, missing, both);
    }
    yes('ignoreCase false and negate false are the default', op, values, match, { ignoreCase: false, negate: false });
    yes('options that are null are absent', op, values, match, { ignoreCase: null, negate: null });
    if (op !== 'in') bad('a boolean among the values', op, [true], match);
  }
}

function exists() {
  const at = (want, name, value, options) => add(want, name, 'exists', undefined, value, options);
  for (const [name, v] of [['a string', 'a'], ['an empty string', ''], ['zero', 0], ['false', false], ['an empty array', []], ['an array', [1]], ['an array of null', [null]], ['an empty object', {}]]) {
    at('true', `${name} is there`, v);
    at('false', `negated, ${name} is there`, v, negate);
  }
  at('false', 'missing', missing);
  at('true', 'negated, missing: true, the one exception', missing, negate);
  at('false', 'null is missing', null);
  at('true', 'negated, null is missing', null, negate);
  at('quarantined', 'ignoreCase does not belong here', 'a', ignoreCase);
  bad('takes no values', 'exists', ['a'], 'a');
}

function strings() {
  yes('number', 'in', [1, 2], 2);
  yes('numbers by value: 1.0 is 1', 'in', [1], 1);
  yes('numbers by value: -0 is 0', 'in', [0], -0);
  yes('fraction', 'in', [0.1], 0.1);
  yes('2^53-1', 'in', [9007199254740991], 9007199254740991);
  no('2^53-2 is not 2^53-1', 'in', [9007199254740991], 9007199254740990);
  yes('boolean true', 'in', [true], true);
  no('boolean false is not true', 'in', [true], false);
  yes('negated, boolean false', 'in', [true], false, negate);
  no('strict by type: the text 1 is not the number', 'in', [1], '1');
  no('strict by type: the number 1 is not the text', 'in', ['1'], 1);
  no('strict by type: the text true is not the boolean', 'in', [true], 'true');
  no('strict by type: 1 is not true', 'in', [true], 1);
  no('a type that does not occur among the values is not usable, negated', 'in', ['a'], 1, negate);
  no('a boolean among strings is not usable, negated', 'in', ['a', 1], true, negate);
  no('negated, the text 1 is not usable among numbers', 'in', [1], '1', negate);
  no('negated, the text true is not usable among booleans', 'in', [true], 'true', negate);
  no('negated, a boolean is not usable among numbers', 'in', [1], true, negate);
  yes('boolean false', 'in', [false], false);
  no('boolean true is not false', 'in', [false], true);
  yes('both booleans', 'in', [true, false], false);
  yes('types may be mixed', 'in', ['a', 1, true], 1);
  yes('negated, a type that occurs', 'in', ['a', 1], 2, negate);
  yes('the empty string is a string', 'in', [''], '');
  no('no trim', 'in', ['pro'], 'pro ');
  no('no normalisation', 'in', ['\u00e9'], 'e\u0301');
  yes('twice the same value', 'in', ['a', 'a'], 'a');
  yes('a hundred values', 'in', Array.from({ length: 100 }, (_, i) => `v${i}`), 'v99');
  no('a hundred values, none', 'in', Array.from({ length: 100 }, (_, i) => `v${i}`), 'v100');
  yes('a hundred numbers', 'in', Array.from({ length: 100 }, (_, i) => i * 3), 297);
  yes('ignoreCase leaves numbers alone', 'in', ['A', 1], 1, ignoreCase);
  yes('ignoreCase: both sides are folded', 'in', ['PrO'], 'pRo', ignoreCase);
  yes('ignoreCase: Ä is ä', 'in', ['ÄRGER'], 'ärger', ignoreCase);
  yes('ignoreCase: Cyrillic', 'in', ['ПРИВЕТ'], 'привет', ignoreCase);
  yes('ignoreCase: Greek capital sigma is σ', 'in', ['ΟΔΟΣ'], 'οδοσ', ignoreCase);
  no('ignoreCase: no final sigma', 'in', ['ΟΔΟΣ'], 'οδος', ignoreCase);
  no('ignoreCase: sharp s is not ss', 'in', ['STRASSE'], 'straße', ignoreCase);
  yes('ignoreCase: capital sharp s is sharp s', 'in', ['STRAẞE'], 'straße', ignoreCase);
  yes('ignoreCase: U+0130 is i', 'in', ['\u0130stanbul'], 'istanbul', ignoreCase);
  no('ignoreCase: dotless i is not i', 'in', ['I'], '\u0131', ignoreCase);
  yes('ignoreCase: the Kelvin sign is k', 'in', ['\u212a'], 'k', ignoreCase);
  yes('ignoreCase: letters beyond the first plane', 'in', ['\u{10400}'], '\u{10428}', ignoreCase);
  no('ignoreCase: no normalisation', 'in', ['\u00c9'], 'e\u0301', ignoreCase);
  for (const op of ['contains', 'startsWith', 'endsWith']) {
    yes('the empty string always matches', op, [''], 'a');
    yes('the empty string matches the empty string', op, [''], '');
    no('longer than the candidate', op, ['aa'], 'a');
    yes('the whole string', op, ['aa'], 'aa');
    yes('any of the values', op, ['x', 'a'], 'a');
    yes('an emoji', op, ['😀'], '😀');
    no('another emoji with the same first surrogate', op, ['😀'], '😁');
    yes('a character of a pair is one code point', op, ['👍'], op === 'startsWith' ? '👍🏽' : op === 'endsWith' ? '🏽👍' : 'a👍b');
    yes('ignoreCase: not ASCII', op, ['ÉÉ'], 'éé', ignoreCase);
    bad('a number among the values', op, ['a', 1], 'a');
  }
  for (const [op, good, wrong] of [['startsWith', 'ÄpfeL', 'SüßäpfeL'], ['endsWith', 'SüßäpfeL', 'Äpfelchen'], ['contains', 'Süßäpfelchen', 'Apfel']]) {
    yes('ignoreCase: where it says', op, ['äPFEL'], good, ignoreCase);
    no('ignoreCase: elsewhere', op, ['äPFEL'], wrong, ignoreCase);
    yes('ignoreCase: the empty string always matches', op, [''], 'A', ignoreCase);
    yes('ignoreCase: any of the values', op, ['x', 'ÄPFEL'], good, ignoreCase);
    no('ignoreCase: U+0130 is one i, not i with a dot', op, ['i\u0307'], '\u0130', ignoreCase);
  }
  no('a prefix is not a suffix', 'endsWith', ['al'], 'alpha');
  no('a suffix is not a prefix', 'startsWith', ['ha'], 'alpha');
  no('case counts beyond ASCII', 'contains', ['é'], 'É');
}

function illFormed() {
  const at = (want, name, clause, contextText) => {
    const c = clauseCase(name, clause, missing, contextText);
    if (c.want !== want) throw new Error(`${c.name}: ${c.want}, the case says ${want}`);
    rows.push(c);
  };
  at('true', 'in: a lone surrogate is U+FFFD', { op: 'in', values: ['\ufffd'] }, '{"x":"\\ud83d"}');
  at('true', 'in: each lone surrogate is one U+FFFD', { op: 'in', values: ['\ufffd\ufffd'] }, '{"x":"\\ude00\\ud83d"}');
  at('false', 'contains: half a pair is not found in the pair', { op: 'contains', values: ['\ufffd'] }, '{"x":"\\ud83d\\ude00"}');
  at('true', 'in: the last of two equal names counts', { op: 'in', values: ['b'] }, '{"x":"a","x":"b"}');
  at('true', 'in: 1.0 in the context is 1', { op: 'in', values: [1] }, '{"x":1.0}');
  at('true', 'in: 1e2 in the context is 100', { op: 'in', values: [100] }, '{"x":1e2}');
  at('true', 'in: -0 in the context is 0', { op: 'in', values: [0] }, '{"x":-0}');
  at('false', 'exists: a number beyond the doubles is infinite, hence missing', { op: 'exists' }, '{"x":1e400}');
  at('false', 'gt: a number beyond the doubles is infinite, hence missing', { op: 'gt', values: [0] }, '{"x":1e400}');
  at('false', 'lt: negated, minus infinity is missing', { op: 'lt', values: [0], negate: true }, '{"x":-1e400}');
  at('true', 'in: a number too small for the doubles is 0', { op: 'in', values: [0] }, '{"x":1e-400}');
  at('true', 'lt: an infinite element is passed over', { op: 'lt', values: [0] }, '{"x":[1e400,-1]}');
  at('true', 'in: the last of two equal names deep inside counts', { attribute: 'o.x', op: 'in', values: ['b'] }, '{"o":{"x":"a","x":"b"}}');
  at('true', 'in: a name may be written with escapes', { op: 'in', values: ['a'] }, '{"\\u0078":"a"}');
  at('true', 'in: a lone surrogate in a name is U+FFFD', { attribute: '\ufffd', op: 'in', values: ['a'] }, '{"\\ud800":"a"}');
  at('true', 'modulo: 1.3e1 is the integer 13', { op: 'modulo', values: [10, 3] }, '{"x":1.3e1}');
}

function patterns() {
  const at = (want, name, pattern, value, options) => add(want, name, 'matches', Array.isArray(pattern) ? pattern : [pattern], value, options);
  at('true', 'found anywhere', 'pha', 'alphabet');
  at('true', 'the empty pattern is found in everything', '', 'a');
  at('true', 'the empty pattern is found in the empty string', '', '');
  at('false', 'anchored at both ends', '^pha$', 'alphabet');
  at('true', '\\A and \\z', '\\Aalpha\\z', 'alpha');
  at('false', '$ is the end of the text, not of a line', 'a$', 'a\nb');
  at('false', '$ is not before a last line feed', 'a$', 'a\n');
  at('true', 'a dot is one code point', '^.$', '😀');
  at('false', 'a dot is no line feed', '^.$', '\n');
  at('true', 'a dot is a carriage return', '^.$', '\r');
  at('true', '(?s): a dot is a line feed', '(?s)^.$', '\n');
  at('true', 'a class', '^[a-f0-9]+$', 'c0ffee');
  at('false', 'a negated class', '^[^a-f]+$', 'coffee');
  at('true', '\\d is ASCII', '^\\d+$', '123');
  at('false', '\\d is ASCII only', '\\d', '١٢٣');
  at('true', '\\w', '^\\w+$', 'a_1');
  at('false', '\\w is ASCII only', '\\w', 'é');
  at('true', '\\s is a blank', '^\\s$', ' ');
  at('false', '\\s is no vertical tab', '\\s', '\u000b');
  at('false', '\\s is no no-break space', '\\s', '\u00a0');
  at('true', '\\b', '\\bbeta\\b', 'the beta group');
  at('true', '\\pL is any letter', '^\\pL+$', 'Größe');
  at('true', '\\p{Greek}', '\\p{Greek}', 'abγ');
  at('false', '\\p{Cyrillic}', '\\p{Cyrillic}', 'abγ');
  at('true', 'alternatives', '^(?:cat|dog)$', 'dog');
  at('true', 'counted', '^a{2,3}$', 'aaa');
  at('false', 'counted, too many', '^a{2,3}$', 'aaaa');
  at('true', 'lazy', '^a+?b', 'aab');
  at('true', 'a named group', '(?P<word>al)pha', 'alpha');
  at('true', 'any of the patterns', ['^x', '^a'], 'alpha');
  at('true', '(?i) in the pattern', '(?i)ALPHA', 'alpha');
  at('true', 'ignoreCase beyond ASCII', 'ÄRGER', 'ärger', ignoreCase);
  at('true', 'ignoreCase does not change \\d', '^\\d$', '1', ignoreCase);
  at('true', 'an escaped dot', '^1\\.2$', '1.2');
  at('false', 'an escaped dot is no other character', '^1\\.2$', '1x2');
  at('true', '256 bytes are allowed', 'a'.repeat(256), 'a'.repeat(300));
  at('quarantined', '257 bytes are too many', 'a'.repeat(257), 'a');
  at('quarantined', '256 characters of two bytes are too many', 'é'.repeat(129), 'é');
  at('quarantined', 'an open group', '(a', 'a');
  at('quarantined', 'an open class', '[a', 'a');
  at('quarantined', 'a closing parenthesis', 'a)', 'a');
  at('quarantined', 'nothing to repeat', '*a', 'a');
  at('quarantined', 'repeated twice', 'a**', 'a');
  at('quarantined', 'no look-ahead in RE2', '(?=a)', 'a');
  at('quarantined', 'no back-reference in RE2', '(a)\\1', 'aa');
  at('quarantined', 'no \\Z in RE2', 'a\\Z', 'a');
  at('quarantined', 'a count above 1,000', 'a{1001}', 'a');
  at('quarantined', 'a trailing backslash', 'a\\', 'a');
  at('quarantined', 'an unknown property', '\\p{Nothing}', 'a');
  at('quarantined', 'one bad pattern among good ones', ['a', '('], 'a');
  writtenOut(at);
}

// The limit of 1,000 for a pattern that is written out: each case at it, and above it.
function writtenOut(at) {
  const limit = (name, pattern, above, value, options) => {
    at('true', `written out, ${name}`, pattern, value, options);
    at('quarantined', `written out, ${name}: too much`, above, value, options);
  };
  limit('characters', 'a{1000}', 'ba{1000}', 'a'.repeat(1000));
  limit('characters beyond ASCII count one', '^é{500}', '^é{1000}', 'é'.repeat(512));
  limit('up to', '^(?:ab){1,333}', '^(?:ab){1,334}', 'abab');
  limit('at least', '(?:ab){333,}$', '(?:ab){334,}$', 'ab'.repeat(334));
  limit('lazy', '^b(?:ab){1,332}?', '^b(?:ab){1,334}?', 'bab');
  limit('a star, a plus and a question mark count nothing', '(?:a*b+c?){250}', '(?:a*b+c?){251}', 'abc'.repeat(251));
  limit('nested', '^(?:(?:ab){3}c){90}', '^(?:(?:ab){3}c){91}', 'abababc'.repeat(91));
  limit('dots', '^.{998}$', '^.{999}$', 'a'.repeat(998));
  limit('a group', '(a){500}', '(a){501}', 'a'.repeat(501));
  limit('groups within groups', '(((a))){250}', '(((a))){251}', 'a'.repeat(251));
  limit('a named group', '(?P<n>a){500}', '(?P<n>a){501}', 'a'.repeat(501));
  limit('an empty group', '(){999}b', '(){1000}b', 'b');
  limit('a bar', '(?:a|b){250}', '(?:a|b){251}', 'ab'.repeat(126));
  limit('alternatives that begin alike', '(?:abc|abd){125}', '(?:abc|abd){126}', 'abcabd'.repeat(63));
  limit('assertions', '(?:\\ba\\b ){200}', '(?:\\ba\\b ){201}', 'a '.repeat(202));
  limit('a class of eight ranges', '[acegikmo]{1000}', '[acegikmo]{1000}a', 'a'.repeat(1001));
  limit('a class of nine ranges', '[acegikmoq]{500}', '[acegikmoq]{501}', 'a'.repeat(501));
  limit('a negated class', '[^acegikmo]{500}', '[^acegikmo]{501}', 'b'.repeat(501));
  limit('ranges that touch are one', '[a-cd-fg-ij-lm-op-rs-uv-xy-z]{1000}', '[a-cd-fg-ij-lm-op-rs-uv-xy-z]{1000}a', 'a'.repeat(1001));
  limit('letters', '^\\pL{10}', '^\\pL{20}', 'a'.repeat(20));
  limit('\\d', '\\d{1000}', '\\d{1000}1', '1'.repeat(1001));
  limit('ignoreCase does not count', 'k{1000}', 'k{1000}a', 'K'.repeat(1000) + 'a', ignoreCase);
  limit('flags count one', '(?i)a{999}', '(?i)a{1000}', 'A'.repeat(1000));
  limit('never at all counts as once', 'a{0}b{999}', 'a{0}b{1000}', 'b'.repeat(1000));
}

function loosest() {
  for (const values of [[3, 9, 6], [9, 6, 3], [6, 3, 9]]) {
    yes(`${values}: less than one of them`, 'lt', values, 8);
    no(`${values}: less than none`, 'lt', values, 9);
    yes(`${values}: at most one of them`, 'lte', values, 9);
    yes(`${values}: more than one of them`, 'gt', values, 4);
    no(`${values}: more than none`, 'gt', values, 3);
    yes(`${values}: at least one of them`, 'gte', values, 3);
    yes(`${values}: before one of them`, 'before', values, 8);
    no(`${values}: before none`, 'before', values, 9);
    yes(`${values}: after one of them`, 'after', values, 4);
    no(`${values}: after none`, 'after', values, 3);
    yes(`${values}: a version below one of them`, 'semverLt', values.map((v) => `${v}.0`), '8.1');
    yes(`${values}: a version above one of them`, 'semverGt', values.map((v) => `${v}.0`), '4.1');
  }
}

function numbers() {
  no('equal is not less', 'lt', [10], 10);
  no('equal is not greater', 'gt', [10], 10);
  yes('equal is less or equal', 'lte', [10], 10);
  yes('equal is greater or equal', 'gte', [10], 10);
  yes('integers and fractions compare', 'lt', [1], 0.999);
  yes('negative', 'lt', [0], -1);
  no('-0 is not less than 0', 'lt', [0], -0);
  yes('any of the values', 'gt', [100, 5], 6);
  yes('2^53-1', 'gte', [9007199254740991], 9007199254740991);
  yes('huge', 'gt', [1e300], 1.1e300);
  yes('tiny', 'gt', [0], 5e-324);
  no('numbers in a text are not numbers', 'gt', [1], '2');
  bad('a text among the values', 'lt', ['10'], 9);
  const at = (want, name, values, value, options) => add(want, name, 'modulo', values, value, options);
  at('true', 'zero', [10, 0], 0);
  at('true', 'minus zero', [10, 0], -0);
  at('true', 'never negative: -7 mod 10 is 3', [10, 3], -7);
  at('false', 'never negative: -3 mod 10 is not 3', [10, 3], -3);
  at('true', 'a negative multiple has remainder 0', [10, 0], -20);
  at('true', 'divisor 1', [1, 0], 17);
  at('true', '2^53-1 is usable', [2, 1], 9007199254740991);
  at('true', '-(2^53-1) is usable', [2, 1], -9007199254740991);
  at('false', '2^53 is not usable', [2, 0], 9007199254740992);
  at('false', 'negated, 2^53 is not usable: still false', [2, 1], 9007199254740992, negate);
  at('false', 'a fraction is not usable', [2, 1], 1.5);
  at('false', 'negated, a fraction is not usable: still false', [2, 0], 1.5, negate);
  at('true', 'a large divisor', [9007199254740991, 5], 5);
  at('true', 'a large divisor, negative', [9007199254740991, 9007199254740990], -1);
  at('quarantined', 'divisor 0', [0, 0], 1);
  at('quarantined', 'negative divisor', [-10, 3], 3);
  at('quarantined', 'remainder as large as the divisor', [10, 10], 10);
  at('quarantined', 'negative remainder', [10, -1], 9);
  at('quarantined', 'one value', [10], 10);
  at('quarantined', 'three values', [10, 3, 4], 3);
  at('quarantined', 'a fraction as divisor', [2.5, 1], 1);
  at('quarantined', 'a text as divisor', ['10', 3], 3);
  at('quarantined', 'divisor 2^53', [9007199254740992, 0], 0);
}

function instants() {
  const after = (want, name, value, bound = '2026-11-20T14:02:00Z', options = {}) => add(want, name, 'after', [bound], value, options);
  const t = Date.UTC(2026, 10, 20, 14, 2); // of the bound, in ms
  after('false', 'strictly: the same instant', '2026-11-20T14:02:00Z');
  no('strictly: the same instant', 'before', ['2026-11-20T14:02:00Z'], '2026-11-20T14:02:00Z');
  after('true', 'milliseconds as a number', t + 1);
  after('false', 'the same millisecond as a number', t);
  yes('a number as the value', 'before', [t], '2026-11-20T14:01:59.999Z');
  yes('numbers on both sides', 'before', [t], t - 1);
  after('true', 'any of the values', 5, 4);
  after('true', 'one millisecond later in a fraction', '2026-11-20T14:02:00.001Z');
  after('false', 'a fraction below a millisecond is cut', '2026-11-20T14:02:00.0009Z');
  after('false', 'nine digits, rounded down', '2026-11-20T14:02:00.000999999Z');
  after('true', 'twelve digits', '2026-11-20T14:02:00.001000000001Z');
  after('false', 'a number with a fraction is rounded down', t + 0.5);
  yes('a negative number is rounded down, not to zero', 'before', [0], -0.5);
  no('before 1970 a fraction is rounded down', 'after', [-1], '1969-12-31T23:59:59.9999Z');
  yes('1969', 'before', [0], '1969-12-31T23:59:59Z');
  after('false', 'an offset east', '2026-11-20T15:02:00+01:00');
  after('true', 'an offset west', '2026-11-20T14:01:00-01:00');
  after('false', 'an offset of half an hour', '2026-11-20T19:32:00+05:30');
  after('true', 'offset -00:00', '2026-11-20T14:02:01-00:00');
  after('true', 'offset +23:59', '2026-11-21T14:02:00+23:59');
  after('true', '29 February of a leap year', '2028-02-29T00:00:00Z');
  yes('29 February 2000', 'after', ['2000-02-28T23:59:59Z'], '2000-02-29T00:00:00Z');
  yes('year 0001', 'before', ['2026-11-20T14:02:00Z'], '0001-01-01T00:00:00Z');
  yes('year 9999', 'after', ['2026-11-20T14:02:00Z'], '9999-12-31T23:59:59Z');
  yes('8.64e15 is the last', 'after', [0], 8.64e15);
  yes('-8.64e15 is the first', 'before', [0], -8.64e15);
  for (const [name, v] of [
    ['8.64e15+1 is no instant', 8.64e15 + 1], ['a date alone', '2030-01-01'], ['no offset', '2030-01-01T00:00:00'], ['a small t', '2030-01-01t00:00:00Z'], ['a small z', '2030-01-01T00:00:00z'],
    ['a blank for T', '2030-01-01 00:00:00Z'], ['a comma before the fraction', '2030-01-01T00:00:00,5Z'], ['a fraction without digits', '2030-01-01T00:00:00.Z'],
    ['no seconds', '2030-01-01T00:00Z'], ['hour 24', '2030-01-01T24:00:00Z'], ['minute 60', '2030-01-01T00:60:00Z'], ['a leap second', '2030-12-31T23:59:60Z'],
    ['month 13', '2030-13-01T00:00:00Z'], ['month 0', '2030-00-01T00:00:00Z'], ['day 0', '2030-01-00T00:00:00Z'], ['31 April', '2030-04-31T00:00:00Z'],
    ['29 February of a common year', '2030-02-29T00:00:00Z'], ['29 February 2100', '2100-02-29T00:00:00Z'], ['offset hour 24', '2030-01-01T00:00:00+24:00'],
    ['offset minute 60', '2030-01-01T00:00:00+00:60'], ['an offset without colon', '2030-01-01T00:00:00+0100'], ['one digit for the day', '2030-01-1T00:00:00Z'],
    ['a year of five digits', '12030-01-01T00:00:00Z'], ['blank in front', ' 2030-01-01T00:00:00Z'], ['digits as a text', '1900000000000'], ['the empty string', ''],
  ]) {
    after('false', `not an instant, negated: ${name}`, v, 0, negate);
    after('quarantined', `not an instant, as the value: ${name}`, 0, v);
  }
}

function versions() {
  // The example of SemVer's section 11, in ascending order, and what this page adds.
  const order = ['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '1.0.1', '1.2.0', '1.10.0', '2.0.0'];
  for (let i = 1; i < order.length; i++) {
    yes(`precedence: ${order[i - 1]} before ${order[i]}`, 'semverLt', [order[i]], order[i - 1]);
    no(`precedence: ${order[i]} not before ${order[i - 1]}`, 'semverLt', [order[i - 1]], order[i]);
  }
  const eq = (want, name, a, b) => add(want, name, 'semverEq', [a], b);
  eq('true', 'a leading v', 'v1.2.3', '1.2.3');
  eq('true', 'missing patch is 0', '1.2', '1.2.0');
  eq('true', 'missing minor is 0', '1', '1.0.0');
  eq('true', 'v1 is 1.0.0', '1.0.0', 'v1');
  eq('true', 'build is ignored', '1.2.3+build.7', '1.2.3+other');
  eq('true', 'build with leading zeros', '1.2.3', '1.2.3+007');
  eq('true', 'a partial version with pre-release', '1.2-beta', '1.2.0-beta');
  eq('true', 'a major with pre-release and build', '1-beta+7', '1.0.0-beta');
  eq('false', 'pre-release identifiers are compared with case', '1.0.0-Beta', '1.0.0-beta');
  eq('true', 'a hyphen in the pre-release', '1.0.0-x-y-z.--', '1.0.0-x-y-z.--');
  eq('true', 'numbers up to 2^53-1', '9007199254740991.0.0', '9007199254740991');
  eq('true', 'pre-release 0', '1.0.0-0', '1.0.0-0');
  yes('numeric identifiers of any length compare by number', 'semverLt', ['1.0.0-100000000000000000000000000001'], '1.0.0-99999999999999999999999999999');
  yes('a numeric identifier is lower than an alphanumeric one', 'semverLt', ['1.0.0-a'], '1.0.0-999');
  yes('digits with a letter are alphanumeric and may begin with 0', 'semverLt', ['1.0.0-0a'], '1.0.0-0');
  yes('upper case sorts before lower case', 'semverLt', ['1.0.0-a'], '1.0.0-Z');
  yes('more identifiers are later', 'semverGt', ['1.0.0-a'], '1.0.0-a.0');
  yes('equal is less or equal', 'semverLte', ['1.2.3'], '1.2.3+b');
  yes('equal is greater or equal', 'semverGte', ['1.2.3+b'], 'v1.2.3');
  yes('any of the values', 'semverEq', ['1.0.0', '2.0.0'], '2.0.0');
  for (const [name, v] of [
    ['empty', ''], ['v alone', 'v'], ['a capital V', 'V1.2.3'], ['vv', 'vv1'], ['four numbers', '1.2.3.4'], ['a leading zero', '01.2.3'], ['a leading zero in the minor', '1.02.3'],
    ['a trailing dot', '1.2.'], ['a blank in front', ' 1.2.3'], ['a blank behind', '1.2.3 '], ['a wildcard', '1.x'], ['a negative number', '-1.2.3'], ['an empty pre-release', '1.2.3-'],
    ['an empty build', '1.2.3+'], ['an empty identifier', '1.2.3-a..b'], ['a numeric identifier with leading zero', '1.2.3-01'], ['an underscore', '1.2.3-a_b'], ['not ASCII', '1.2.3-é'],
    ['2^53', '9007199254740992.0.0'], ['two builds', '1.2.3+a+b'], ['a range', '>=1.2.3'], ['the number 1', 1],
  ]) {
    no(`not a version, negated: ${name}`, 'semverEq', ['0.0.7'], v, negate);
    bad(`not a version, as the value: ${name}`, 'semverEq', [v], '1.2.3');
  }
  const tilde = (want, a, b) => add(want, `~${a} and ${b}`, 'semverTilde', [a], b);
  for (const [want, a, b] of [
    ['true', '1.2.3', '1.2.3'], ['false', '1.2.3', '1.2.2'], ['true', '1.2.3', '1.2.99'], ['false', '1.2.3', '1.3.0-beta'], ['false', '1.2.3', '2.2.3'], ['true', '1.2', '1.2.0'],
    ['true', '1.2', '1.2.7'], ['false', '1.2', '1.2.0-beta'], ['false', '1.2', '1.3.0'], ['true', '1', '1.0.0'], ['true', '1', '1.9.9'], ['false', '1', '2.0.0'], ['false', '1', '2.0.0-beta'],
    ['false', '1', '1.0.0-beta'], ['true', '0', '0.9.0'], ['true', '1.2.3-beta.2', '1.2.3-beta.11'], ['false', '1.2.3-beta.2', '1.2.3-beta.1'], ['true', '1.2.3-beta', '1.2.4-alpha'], ['true', 'v1.2', 'v1.2.5'],
  ]) tilde(want, a, b);
  const caret = (want, a, b) => add(want, `^${a} and ${b}`, 'semverCaret', [a], b);
  for (const [want, a, b] of [
    ['true', '1.2.3', '1.2.3'], ['false', '1.2.3', '1.2.2'], ['true', '1.2.3', '1.99.0'], ['false', '1.2.3', '2.0.0'], ['false', '1.2.3', '2.0.0-beta'], ['true', '1.2.3', '1.3.0-beta'], ['false', '1.2.3', '1.2.3-beta'],
    ['true', '1.2', '1.2.0'], ['true', '1.2', '1.9.0'], ['false', '1.2', '1.1.9'], ['false', '1.2', '2.0.0'], ['true', '1', '1.0.0'], ['false', '1', '2.0.0-beta'], ['true', '1', '1.3.0-beta'],
    ['true', '0.2.3', '0.2.9'], ['false', '0.2.3', '0.3.0'], ['true', '0.2', '0.2.0'], ['false', '0.2', '0.3.0'], ['true', '0.0.3', '0.0.3'], ['false', '0.0.3', '0.0.4'], ['true', '0.0', '0.0.9'], ['false', '0.0', '0.1.0'],
    ['true', '0', '0.9.0'], ['false', '0', '1.0.0'], ['true', '0.0.0', '0.0.0'], ['false', '0.0.0', '0.0.1'], ['true', '1.0', '1.5.0'], ['true', '1.2.3-beta.2', '1.2.3'], ['false', '1.2.3-beta.2', '1.2.3-beta.1'],
  ]) caret(want, a, b);
}

function addresses() {
  const at = (want, name, network, value, options) => add(want, name, 'inCidr', Array.isArray(network) ? network : [network], value, options);
  at('true', 'one address', '192.0.2.1', '192.0.2.1');
  at('false', 'one address, another', '192.0.2.1', '192.0.2.2');
  at('true', '/32', '192.0.2.1/32', '192.0.2.1');
  at('false', '/32, another', '192.0.2.1/32', '192.0.2.0');
  at('true', '/31', '192.0.2.0/31', '192.0.2.1');
  at('true', '/0 holds every IPv4 address', '0.0.0.0/0', '255.255.255.255');
  at('false', '/0 of IPv4 holds no IPv6 address', '0.0.0.0/0', '2001:db8::1');
  at('false', '::/0 holds no IPv4 address', '::/0', '192.0.2.1');
  at('true', '::/0 holds every IPv6 address', '::/0', '2001:db8::1');
  at('true', 'first of a network', '10.0.0.0/8', '10.0.0.0');
  at('true', 'last of a network', '10.0.0.0/8', '10.255.255.255');
  at('false', 'just above a network', '10.0.0.0/8', '11.0.0.0');
  at('false', 'just below a network', '10.0.0.0/8', '9.255.255.255');
  at('true', 'a prefix within a byte', '172.16.0.0/12', '172.31.255.255');
  at('false', 'a prefix within a byte, above', '172.16.0.0/12', '172.32.0.0');
  at('true', 'host bits are ignored', '10.1.2.3/8', '10.9.9.9');
  at('true', 'any of the networks', ['192.0.2.0/24', '2001:db8::/32'], '2001:db8:1::1');
  at('true', 'IPv6', '2001:db8::/32', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff');
  at('false', 'IPv6, above', '2001:db8::/32', '2001:db9::');
  at('true', 'IPv6 /128 in other spelling', '2001:DB8::1/128', '2001:0db8:0:0:0:0:0:1');
  at('true', 'IPv6 prefix within a byte', 'fe80::/10', 'febf::1');
  at('true', 'IPv6 loopback', '::1', '0:0:0:0:0:0:0:1');
  at('true', 'IPv6 with dotted end', '64:ff9b::/96', '64:ff9b::192.0.2.1');
  at('true', ':: for one group', '1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0');
  at('true', 'IPv4-mapped is IPv4', '192.0.2.0/24', '::ffff:192.0.2.1');
  at('true', 'IPv4-mapped in hexadecimal is IPv4', '192.0.2.0/24', '::ffff:c000:201');
  at('true', 'a mapped network', '::ffff:192.0.2.0/120', '192.0.2.77');
  at('true', 'a mapped network of 96 bits is all of IPv4', '::ffff:0.0.0.0/96', '8.8.8.8');
  at('true', 'a mapped address as the value', '::ffff:192.0.2.1', '192.0.2.1');
  at('quarantined', 'a mapped network below 96 bits', '::ffff:0.0.0.0/95', '8.8.8.8');
  at('false', 'a mapped candidate is not in ::/0', '::/0', '::ffff:192.0.2.1');
  for (const [name, v] of [
    ['empty', ''], ['three numbers', '10.0.0'], ['five numbers', '10.0.0.0.0'], ['above 255', '10.0.0.256'], ['a leading zero', '10.0.0.01'], ['hexadecimal', '0x0a.0.0.0'], ['a blank', ' 10.0.0.1'],
    ['a zone', 'fe80::1%eth0'], ['brackets', '[::1]'], ['two ::', '1::2::3'], ['nine groups', '1:2:3:4:5:6:7:8:9'], ['seven groups', '1:2:3:4:5:6:7'], [':: for no group', '1:2:3:4::5:6:7:8'],
    ['five digits', '12345::'], ['a single colon in front', ':1:2:3:4:5:6:7'], ['dotted in the middle', '::1.2.3.4:5'], ['a port', '10.0.0.1:80'], ['a name', 'localhost'],
  ]) {
    at('false', `not an address, negated: ${name}`, '192.0.2.1', v, negate);
    at('quarantined', `not an address, as the value: ${name}`, v, '192.0.2.1');
  }
  at('false', 'a network is no candidate, negated', '192.0.2.1', '10.0.0.0/8', negate);
  for (const n of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/8/8', '10.0.0.0/255.0.0.0', '10/8', '/8']) at('quarantined', `not a network: ${n}`, n, '10.0.0.1');
}

function forms() {
  const whole = (want, name, clause, context) => {
    const json = text(context);
    const known = Object.fromEntries(Object.entries(clause).filter(([, m]) => m !== null && m !== undefined));
    const holds = compileClause(JSON.parse(text(known)));
    const got = holds ? String(holds(parseContext(json))) : 'quarantined';
    if (got !== want) throw new Error(`${name}: ${got}, the case says ${want}`);
    rows.push({ name, clause, context, want });
  };
  const eq = { op: 'in', values: ['a'] };
  whole('true', 'path: a member of an object', { attribute: 'o.x', ...eq }, { o: { x: 'a' } });
  whole('true', 'path: three steps', { attribute: 'o.p.x', ...eq }, { o: { p: { x: 'a' } } });
  whole('false', 'path: not there', { attribute: 'o.y', ...eq }, { o: { x: 'a' } });
  whole('false', 'path: through a string', { attribute: 'o.x', ...eq }, { o: 'a' });
  whole('false', 'path: an array is not entered in the middle', { attribute: 'o.x', ...eq }, { o: [{ x: 'a' }] });
  whole('false', 'path: an index is no name', { attribute: 'o.0', ...eq }, { o: ['a'] });
  whole('true', 'path: an array at the end', { attribute: 'o.x', ...eq }, { o: { x: ['b', 'a'] } });
  whole('true', 'path: an escaped dot', { attribute: 'o\\.x', ...eq }, { 'o.x': 'a' });
  whole('false', 'path: a dot in a name needs its backslash', { attribute: 'o.x', ...eq }, { 'o.x': 'a' });
  whole('true', 'path: an escaped backslash', { attribute: 'o\\\\x', ...eq }, { 'o\\x': 'a' });
  whole('true', 'path: a blank in a name', { attribute: 'o x', ...eq }, { 'o x': 'a' });
  whole('true', 'path: names that are not ASCII', { attribute: 'größe.日本', ...eq }, { größe: { 日本: 'a' } });
  whole('false', 'path: names have case', { attribute: 'X', ...eq }, { x: 'a' });
  whole('true', 'path: targetingKey', { attribute: 'targetingKey', ...eq }, { targetingKey: 'a' });
  whole('true', 'path: a targetingKey that was a number is a string', { attribute: 'targetingKey', op: 'in', values: ['7'] }, { targetingKey: 7 });
  whole('false', 'path: a targetingKey that was a number is no number', { attribute: 'targetingKey', op: 'in', values: [7] }, { targetingKey: 7 });
  whole('false', 'path: an empty targetingKey is absent', { attribute: 'targetingKey', op: 'exists' }, { targetingKey: '' });
  whole('false', 'path: a name that every JavaScript object has', { attribute: 'toString', op: 'exists' }, {});
  whole('true', 'path: __proto__ is a name', { attribute: '__proto__.x', ...eq }, JSON.parse('{"__proto__":{"x":"a"}}'));
  whole('true', 'path: negated exists below a missing one', { attribute: 'o.x', op: 'exists', negate: true }, {});
  whole('false', 'path: negated in below a missing one', { attribute: 'o.x', ...eq, negate: true }, {});
  for (const [name, attribute] of [['empty', ''], ['an empty name', 'a..b'], ['a dot in front', '.a'], ['a dot behind', 'a.'], ['a trailing backslash', 'a\\'], ['a backslash before a letter', 'a\\b'], ['a number', 7]]) {
    whole('quarantined', `path: malformed, ${name}`, { attribute, ...eq }, { a: 'a' });
  }
  whole('quarantined', 'operator: unknown', { attribute: 'x', op: 'equals', values: ['a'] }, { x: 'a' });
  whole('quarantined', 'operator: names have case', { attribute: 'x', op: 'IN', values: ['a'] }, { x: 'a' });
  whole('quarantined', 'operator: absent', { attribute: 'x', values: ['a'] }, { x: 'a' });
  whole('quarantined', 'operator: null is absent', { attribute: 'x', op: null, values: ['a'] }, { x: 'a' });
  whole('quarantined', 'operator: a number', { attribute: 'x', op: 1, values: ['a'] }, { x: 'a' });
  whole('quarantined', 'operator: a name that every JavaScript object has', { attribute: 'x', op: 'toString', values: ['a'] }, { x: 'a' });
  whole('quarantined', 'negate: not a boolean', { attribute: 'x', ...eq, negate: 'true' }, { x: 'a' });
  whole('quarantined', 'ignoreCase: not a boolean', { attribute: 'x', ...eq, ignoreCase: 1 }, { x: 'a' });
  whole('true', 'a member that nobody knows is ignored', { attribute: 'x', ...eq, comment: 'why' }, { x: 'a' });
}

export function clauses() {
  rows.length = 0;
  everyOperator();
  exists();
  strings();
  illFormed();
  patterns();
  loosest();
  numbers();
  instants();
  versions();
  addresses();
  forms();
  return rows;
}

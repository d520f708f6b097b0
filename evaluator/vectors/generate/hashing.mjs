// The cases of hashing.json.
import { bucket, bucketOf, fingerprint, hash, hex } from './cohort.mjs';
import { keyOf, lookup, parseContext } from './context.mjs';
import { fromBytes, parsePath, random, raw, text } from './text.mjs';

const salt = 'k3j9x0a1b2c4';
const salts = [salt, '000000000000', 'zzzzzzzzzzzz', 'a1b2c3d4e5f6'];

// A cohort case from the key's source: a context (data, or JSON text when how it is spelled matters), or bytes.
function cohort(name, source, more = {}) {
  const c = { name, salt, bucketBy: ['targetingKey'], ...more };
  let key;
  if (source.hex !== undefined) {
    c.targetingKeyHex = source.hex;
    key = keyOf(fromBytes(Buffer.from(source.hex, 'hex')));
  } else {
    const json = source.json ?? text(source);
    if (source.json === undefined) c.context = source;
    else c.contextText = json;
    const context = parseContext(json);
    if (!context) throw new Error(`${name}: not a context`);
    key = (c.bucketBy.length > 0 ? c.bucketBy : ['targetingKey']).map((p) => keyOf(lookup(context, parsePath(p)))).find((k) => k !== undefined);
  }
  c.key = key ?? null;
  for (const stage of ['expose', 'assign']) {
    const h = key === undefined ? null : hash(c.salt, stage, key);
    c[`${stage}Hash`] = h;
    c[stage] = h === null ? null : bucketOf(h);
  }
  return c;
}

const byKey = (name, key, more) => cohort(name, { targetingKey: key }, more);
const json = (s) => ({ json: s });

function found() {
  const out = [];
  for (const [stage, want] of [['expose', 0], ['expose', 99999], ['assign', 0], ['assign', 99999], ['expose', 24999], ['expose', 25000], ['assign', 49999], ['assign', 50000]]) {
    for (let i = 0, n = 0; n < 2; i++) {
      if (bucket(salt, stage, `u${i}`) !== want) continue;
      n++;
      out.push(byKey(`bucket edge: ${stage} is ${want}, key number ${n}`, `u${i}`));
    }
  }
  return out;
}

const texts = {
  'one letter': 'a',
  'two letters': 'ab',
  'three letters': 'abc',
  'four letters, one block': 'abcd',
  'five letters': 'abcde',
  'a typical id': 'user-17',
  'a UUID': '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
  'an address': 'alice@example.com',
  'no case fold: upper case': 'Alice@Example.com',
  'no trim: leading blank': ' alice',
  'no trim: trailing blank': 'alice ',
  'no trim: a blank alone': ' ',
  'no trim: line feed': 'alice\n',
  'a NUL inside': 'a\u0000b',
  'a NUL alone': '\u0000',
  'a slash, which separates the input': 'a/b',
  'a key that looks like a stage': 'assign/alice',
  'quotation mark and backslash': '"\\',
  'control characters': '\u0001\u001f\u007f',
  'Latin-1': 'Zoë',
  'no normalisation: composed é': '\u00e9',
  'no normalisation: e with combining acute': 'e\u0301',
  'no normalisation: composed Å': '\u00c5',
  'no normalisation: ångström sign': '\u212b',
  'two combining marks': 'q\u0307\u0323',
  'two combining marks, other order': 'q\u0323\u0307',
  'a combining mark alone': '\u0301',
  'sharp s': 'straße',
  'no case fold: dotted capital I': '\u0130stanbul',
  'Turkish dotless i': 'ısparta',
  'Greek final sigma': 'ΟΔΟΣ',
  'Cyrillic': 'Пользователь',
  'Hebrew': 'משתמש',
  'Arabic': 'مستخدم',
  'Devanagari': 'उपयोगकर्ता',
  'Thai': 'ผู้ใช้',
  'Chinese': '用户',
  'Japanese': 'ユーザー',
  'Korean, precomposed': '사용자',
  'Korean, decomposed': '사용자'.normalize('NFD'),
  'full-width digits are no digits': '１２３',
  'Arabic digits are no digits': '١٢٣',
  'an emoji, four bytes': '😀',
  'an emoji with skin tone': '👍🏽',
  'a family joined by U+200D': '👨‍👩‍👧‍👦',
  'a flag of two letters': '🇩🇪',
  'an emoji with variation selector': '❤️',
  'zero-width space': '\u200b',
  'byte order mark in front': '\ufeffalice',
  'no-break space': '\u00a0',
  'line separator U+2028': 'a\u2028b',
  'U+FFFD itself': '\ufffd',
  'U+FFFF, a noncharacter': '\uffff',
  'U+10FFFF, the last': '\u{10ffff}',
  'U+0080, first of two bytes': '\u0080',
  'U+07FF, last of two bytes': '\u07ff',
  'U+0800, first of three bytes': '\u0800',
  'U+D7FF, before the surrogates': '\ud7ff',
  'U+E000, after the surrogates': '\ue000',
  'U+10000, first of four bytes': '\u{10000}',
  'the text null': 'null',
  'the text true': 'true',
  'the text 1.0 is not the number': '1.0',
  'the text 01 is not the number': '01',
  'the text -0 is not the number': '-0',
  'the text +1': '+1',
  '1,024 bytes, the longest': 'x'.repeat(1024),
};

function numbers() {
  const out = [];
  const at = (name, spelled) => {
    out.push(cohort(`number as an attribute: ${name}`, json(`{"id":${spelled}}`), { bucketBy: ['id'] }));
  };
  const keys = [
    ['1', '1'], ['1.0 is 1', '1.0'], ['1.00 is 1', '1.00'], ['1e0 is 1', '1e0'], ['10e-1 is 1', '10e-1'], ['0', '0'], ['-0 is 0', '-0'], ['-0.0 is 0', '-0.0'],
    ['0e5 is 0', '0e5'], ['-1', '-1'], ['-1.0 is -1', '-1.0'], ['42', '42'], ['1e2 is 100', '1e2'], ['1E+2 is 100', '1E+2'], ['12e-1 is no integer, so no key', '12e-1', true],
    ['1e15', '1e15'], ['1e15 spelled out', '1000000000000000'], ['2^31', '2147483648'], ['2^32', '4294967296'], ['-2^31', '-2147483648'], ['2^53-1', '9007199254740991'],
    ['-(2^53-1)', '-9007199254740991'], ['2^53-1 with a fraction of zero', '9007199254740991.0'], ['9.007199254740991e15', '9.007199254740991e15'],
    ['2^53 is beyond, so no key', '9007199254740992', true], ['-2^53 is beyond, so no key', '-9007199254740992', true], ['1e16 is beyond, so no key', '1e16', true],
    ['1e21 is beyond, so no key', '1e21', true], ['1e300 is beyond, so no key', '1e300', true], ['1.5 is no integer, so no key', '1.5', true], ['0.1 is no integer, so no key', '0.1', true],
    ['-0.5 is no integer, so no key', '-0.5', true], ['5e-324 is no integer, so no key', '5e-324', true],
    ['0.99999999999999999 is the double 1', '0.99999999999999999'], ['4503599627370496.5 is no integer, so no key', '4503599627370496.5', true],
  ];
  for (const [name, spelled, keyless] of keys) {
    at(name, spelled);
    if (!keyless) out.push(cohort(`number as targetingKey: ${name}`, json(`{"targetingKey":${spelled}}`)));
  }
  for (const s of ['1', '0', '-1', '9007199254740991']) out.push(byKey(`the text ${s} is the same user as the number`, s));
  return out;
}

function keyless() {
  const id = { bucketBy: ['id'] };
  return [
    cohort('keyless: an empty context', {}),
    byKey('keyless: an empty targetingKey is absent', ''),
    byKey('keyless: targetingKey null is absent', null),
    cohort('keyless: the attribute is not there', { targetingKey: 'u1' }, id),
    cohort('keyless: attribute null', { id: null }, id),
    cohort('keyless: attribute is an empty string', { id: '' }, id),
    cohort('keyless: attribute true', { id: true }, id),
    cohort('keyless: attribute false', { id: false }, id),
    cohort('keyless: attribute is an array', { id: ['u1'] }, id),
    cohort('keyless: attribute is an empty array', { id: [] }, id),
    cohort('keyless: attribute is an object', { id: { id: 'u1' } }, id),
    cohort('keyless: a path through a string', { id: 'u1' }, { bucketBy: ['id.id'] }),
    cohort('keyless: a path through an array', { id: [{ id: 'u1' }] }, { bucketBy: ['id.id'] }),
    cohort('keyless: a path through the targetingKey', { targetingKey: 'u1' }, { bucketBy: ['targetingKey.id'] }),
    cohort('keyless: names are not case folded', { ID: 'u1' }, id),
  ];
}

function lists() {
  const by = (...bucketBy) => ({ bucketBy });
  const company = { targetingKey: 'u1', company: { id: 'c9', 'a.b': 'dotted', 'a\\b': 'slashed', deep: { er: { id: 7 } } } };
  return [
    cohort('bucketBy: an attribute instead of the targetingKey', company, by('company.id')),
    cohort('bucketBy: the first that is present, of two', company, by('company.id', 'targetingKey')),
    cohort('bucketBy: order counts', company, by('targetingKey', 'company.id')),
    cohort('bucketBy: a missing one is passed over', company, by('organisation', 'targetingKey')),
    cohort('bucketBy: an empty string is passed over', { targetingKey: 'u1', id: '' }, by('id', 'targetingKey')),
    cohort('bucketBy: null is passed over', { targetingKey: 'u1', id: null }, by('id', 'targetingKey')),
    cohort('bucketBy: a boolean is passed over', { targetingKey: 'u1', id: true }, by('id', 'targetingKey')),
    cohort('bucketBy: a fraction is passed over', { targetingKey: 'u1', id: 1.5 }, by('id', 'targetingKey')),
    cohort('bucketBy: an array is passed over', { targetingKey: 'u1', id: ['x'] }, by('id', 'targetingKey')),
    cohort('bucketBy: an object is passed over', company, by('company', 'targetingKey')),
    cohort('bucketBy: zero is a key', { targetingKey: 'u1', id: 0 }, by('id', 'targetingKey')),
    cohort('bucketBy: a blank is a key', { targetingKey: 'u1', id: ' ' }, by('id', 'targetingKey')),
    cohort('bucketBy: three steps deep', company, by('company.deep.er.id')),
    cohort('bucketBy: a dot in a name is escaped', company, by('company.a\\.b')),
    cohort('bucketBy: a backslash in a name is escaped', company, by('company.a\\\\b')),
    cohort('bucketBy: a name with a dot is not a path', { 'company.id': 'c9', targetingKey: 'u1' }, by('company.id', 'targetingKey')),
    cohort('bucketBy: the escaped name is one name', { 'company.id': 'c9', targetingKey: 'u1' }, by('company\\.id', 'targetingKey')),
    cohort('bucketBy: eight paths, the last is present', { h: 'u8' }, by('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')),
    cohort('bucketBy: none of eight', { i: 'u9' }, by('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')),
    cohort('bucketBy: an empty list is the targetingKey', { targetingKey: 'u1', id: 'x' }, by()),
    cohort('bucketBy: a name that is not ASCII', { größe: 'XL' }, by('größe')),
    cohort('bucketBy: the name constructor is a name like others', { targetingKey: 'u1' }, by('constructor', 'targetingKey')),
    cohort('bucketBy: the last of two equal names counts', json('{"id":"first","id":"last"}'), by('id')),
  ];
}

function illFormed() {
  const out = [];
  for (const [name, s] of [
    ['a lone high surrogate', '"\\ud83d"'], ['a lone low surrogate', '"\\ude00"'], ['surrogates in the wrong order', '"\\ude00\\ud83d"'],
    ['a high surrogate before a letter', '"a\\ud83db"'], ['two high surrogates and a low one', '"\\ud83d\\ud83d\\ude00"'], ['a low surrogate at the end', '"a\\udfff"'],
    ['an escaped pair is one character', '"\\ud83d\\ude00"'], ['an escaped letter is that letter', '"\\u0061lice"'],
  ]) {
    out.push(cohort(`UTF-16: ${name}`, json(`{"targetingKey":${s}}`)));
    out.push(cohort(`UTF-16 in an attribute: ${name}`, json(`{"id":${s}}`), { bucketBy: ['id'] }));
  }
  for (const [name, h] of [
    ['a continuation byte alone', '80'], ['the byte FF', 'ff'], ['the byte FE between letters', '61fe62'], ['two bytes cut short', 'c3'], ['three bytes cut after one', '61e2'],
    ['three bytes cut after two', 'e282'], ['four bytes cut after three', 'f09f98'], ['four bytes cut after three, then a letter', 'f09f9861'], ['overlong slash', 'c0af'],
    ['overlong in three bytes', 'e080af'], ['overlong in four bytes', 'f08080af'], ['an encoded surrogate', 'eda080'], ['an encoded pair of surrogates', 'eda0bdedb880'],
    ['beyond U+10FFFF', 'f4908080'], ['the byte F5', 'f5808080'], ['good and bad mixed', 'c3a9ffc3a9'], ['two leads in a row', 'c3c3a9'], ['five-byte form', 'f888808080'],
    ['a well-formed emoji', 'f09f9880'], ['well-formed, for comparison', '616c696365'],
  ]) {
    out.push(cohort(`UTF-8: ${name}`, { hex: h }));
  }
  return out;
}

function lengths() {
  const out = [];
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  for (let n = 1; n <= 36; n++) out.push(byKey(`length: ${n} bytes after the prefix of 20`, letters.slice(0, n), { salt: salts[n % salts.length] }));
  const pick = random(7);
  const alphabet = [...'abcdefghijklmnopqrstuvwxyz-_.:@ ÄÖÜßéñøłжфяαβγ中文字日本語한글😀🎉🚀👍'];
  for (let i = 0; i < 60; i++) {
    const key = Array.from({ length: 1 + pick(24) }, () => alphabet[pick(alphabet.length)]).join('');
    out.push(byKey(`mixed text number ${i}`, key, { salt: salts[pick(salts.length)] }));
  }
  for (const s of salts) out.push(byKey(`salt ${s}: the same key falls elsewhere`, 'user-17', { salt: s }));
  return out;
}

function fingerprints() {
  const at = (name, key, s = salt) => {
    const f = hex(fingerprint(s, key));
    return { name, salt: s, key, fingerprint: f, shard: parseInt(f.slice(0, 2), 16) };
  };
  const out = [];
  for (let n = 0; n <= 34; n++) out.push(at(`fingerprint: ${n} bytes after the prefix of 13`, 'abcdefghijklmnopqrstuvwxyz0123456789'.slice(0, n)));
  for (const [name, key] of Object.entries(texts)) out.push(at(`fingerprint: ${name}`, key));
  for (const s of salts) out.push(at(`fingerprint: salt ${s}`, 'user-17', s));
  for (const shard of [0, 255]) {
    for (let i = 0; ; i++) {
      if (fingerprint(salt, `u${i}`)[0] !== shard) continue;
      out.push(at(`fingerprint: in shard ${shard}`, `u${i}`));
      break;
    }
  }
  return out;
}

export function hashing() {
  return {
    cohorts: [
      ...Object.entries(texts).map(([name, key]) => byKey(`text: ${name}`, key)),
      ...Object.entries(texts).slice(0, 12).map(([name, id]) => cohort(`text in an attribute: ${name}`, { id }, { bucketBy: ['id'] })),
      ...numbers(),
      ...keyless(),
      ...lists(),
      ...illFormed(),
      ...found(),
      ...lengths(),
    ],
    fingerprints: fingerprints(),
  };
}

import { describe, expect, test } from 'vitest'
import { type Clause, type Condition, type Operator, operators } from './model'
import { conditionParts, operatorName, prerequisiteParts, ruleParts, serveParts, text, valueText } from './sentence'

const say = (c: Condition) => text(conditionParts(c))
const clause = (op: Operator, values?: Clause['values'], more: Partial<Clause> = {}): Clause => ({ attribute: 'a', op, ...(values ? { values } : {}), ...more })

describe('clauses', () => {
  test.each<[Clause, string, string]>([
    [clause('in', ['pro']), 'a is pro', 'a is not pro'],
    [clause('in', ['DE', 'AT', 3, true]), 'a is one of DE, AT, 3 or true', 'a is none of DE, AT, 3 or true'],
    [clause('contains', ['x']), 'a contains x', 'a does not contain x'],
    [clause('contains', ['x', 'y']), 'a contains x or y', 'a contains neither x nor y'],
    [clause('startsWith', ['x', 'y']), 'a starts with x or y', 'a starts neither with x nor y'],
    [clause('endsWith', ['@example.com']), 'a ends with @example.com', 'a does not end with @example.com'],
    [clause('matches', ['^a b$']), 'a matches /^a b$/', 'a does not match /^a b$/'],
    [clause('lt', [5]), 'a is less than 5', 'a is not less than 5'],
    [clause('lte', [5]), 'a is at most 5', 'a is not at most 5'],
    [clause('gt', [5, 7]), 'a is more than 5 or 7', 'a is not more than 5 or 7'],
    [clause('gte', [0.5]), 'a is at least 0.5', 'a is not at least 0.5'],
    [clause('before', ['2026-11-20T14:02:00Z']), 'a is before 2026-11-20T14:02:00Z', 'a is not before 2026-11-20T14:02:00Z'],
    [clause('after', [0]), 'a is after 1970-01-01T00:00:00Z', 'a is not after 1970-01-01T00:00:00Z'],
    [clause('after', [9e15]), 'a is after 9000000000000000', 'a is not after 9000000000000000'],
    [clause('semverEq', ['1.2.3']), 'a is version 1.2.3', 'a is not version 1.2.3'],
    [clause('semverLt', ['2']), 'a is a version before 2', 'a is not a version before 2'],
    [clause('semverLte', ['2']), 'a is at most version 2', 'a is not at most version 2'],
    [clause('semverGt', ['2']), 'a is a version after 2', 'a is not a version after 2'],
    [clause('semverGte', ['2']), 'a is at least version 2', 'a is not at least version 2'],
    [clause('semverTilde', ['1.2']), 'a is a version like ~1.2', 'a is not a version like ~1.2'],
    [clause('semverCaret', ['1.2', '3']), 'a is a version compatible with ^1.2 or ^3', 'a is not a version compatible with ^1.2 or ^3'],
    [clause('inCidr', ['10.0.0.0/8', '::1']), 'a is an address in 10.0.0.0/8 or ::1', 'a is an address in neither 10.0.0.0/8 nor ::1'],
    [clause('modulo', [10, 3]), 'a modulo 10 is 3', 'a modulo 10 is not 3'],
    [clause('exists'), 'a is there', 'a is not there'],
  ])('%j', (c, is, isNot) => {
    expect(say(c)).toBe(is)
    expect(say({ ...c, negate: true })).toBe(isNot)
  })

  test('every operator has words of its own, and its negation others', () => {
    const names = operators.flatMap((op) => [operatorName(op), operatorName(op, true)])
    expect(new Set(names).size).toBe(names.length)
  })

  test('case is said, and what is missing is shown as missing', () => {
    expect(say(clause('contains', ['X'], { ignoreCase: true }))).toBe('a contains X in any case')
    expect(say({ attribute: '', op: 'in', values: [] })).toBe('… is …')
  })

  test('long lists are cut, but never by one', () => {
    const n = (k: number) => Array.from({ length: k }, (_, i) => `v${i + 1}`)
    expect(text(conditionParts(clause('in', n(4)), { most: 3 }))).toBe('a is one of v1, v2, v3 or v4')
    expect(text(conditionParts(clause('in', n(20)), { most: 3 }))).toBe('a is one of v1, v2, v3 or 17 more')
    expect(text(conditionParts(clause('in', n(9)), { most: 1 }))).toBe('a is one of v1 or 8 more')
  })

  test.each([
    ['pro', 'pro'],
    ['two words', '"two words"'],
    ['5', '"5"'],
    ['1e5', '"1e5"'],
    ['2.5.0', '2.5.0'],
    [5, '5'],
    ['true', '"true"'],
    [true, 'true'],
    ['', '""'],
    ['a,b', '"a,b"'],
    [null, 'null'],
    ['Zoë', 'Zoë'],
  ])('the value %j is read as %s', (v, want) => expect(valueText(v)).toBe(want))
})

describe('conditions', () => {
  const plan = clause('in', ['pro'])
  const beta = { segment: 'beta' }
  test.each<[Condition, string]>([
    [{ all: [plan, beta] }, 'a is pro and in segment beta'],
    [{ any: [plan, beta] }, 'a is pro or in segment beta'],
    [{ all: [plan, { any: [beta, { segment: 'staff' }] }] }, 'a is pro and (in segment beta or in segment staff)'],
    [{ any: [{ all: [plan, beta] }, plan] }, '(a is pro and in segment beta) or a is pro'],
    [{ all: [plan, { any: [beta] }] }, 'a is pro and in segment beta'],
    [{ all: [{ any: [plan, beta] }] }, 'a is pro or in segment beta'],
    [{ all: [] }, 'always'],
    [{ any: [] }, 'never'],
    [{ not: beta }, 'not in segment beta'],
    [{ not: plan }, 'not (a is pro)'],
    [{ not: { any: [plan, beta] } }, 'not (a is pro or in segment beta)'],
    [{ flag: 'billing', variants: ['on', 'beta'] }, 'flag billing serves on or beta'],
    [{ not: { flag: 'billing', variants: ['on'] } }, 'flag billing does not serve on'],
    [{ flag: '', variants: [] }, 'flag … serves …'],
  ])('%j', (c, want) => expect(say(c)).toBe(want))
})

describe('what is served', () => {
  test.each([
    [{ variant: 'on' }, 'on'],
    [{ distribution: { exposure: 25, weights: { on: 100 }, otherwise: 'off' } }, '25 % on, otherwise off'],
    [{ distribution: { exposure: 0.001, weights: { on: 100, off: 0 } } }, '0.001 % on, the rest goes on'],
    [{ distribution: { exposure: 100, weights: { a: 60, b: 40 }, otherwise: 'off' } }, '60 % a, 40 % b'],
    [{ distribution: { exposure: 12.5, weights: { b: 40, a: 60 } } }, '12.5 % (60 % a, 40 % b), the rest goes on'],
    [{ distribution: { exposure: 50, weights: { on: 100 }, bucketBy: ['company.id', 'targetingKey'], otherwise: 'off' } }, '50 % on by company.id else targetingKey, otherwise off'],
    [
      { distribution: { exposure: 100, weights: Object.fromEntries([30, 20, 10, 10, 10, 10, 5, 5].map((w, i) => [`v${i}`, w])) } },
      '30 % v0, 20 % v1, 10 % v2, 10 % v3, 10 % v4, 10 % v5 and 2 more',
    ],
    [{}, '…'],
  ])('%j', (s, want) => expect(text(serveParts(s))).toBe(want))

  test('the default falls to off', () => expect(text(serveParts({ distribution: { exposure: 5, weights: { on: 100 } } }, 'off'))).toBe('5 % on, otherwise off'))

  test('rules and prerequisites', () => {
    expect(text(ruleParts({ when: { segment: 'beta' }, serve: { variant: 'on' } }))).toBe('if in segment beta → on')
    expect(text(ruleParts({ serve: { variant: 'on' } }))).toBe('everyone → on')
    expect(text(prerequisiteParts({ flag: 'billing', variants: ['on'] }, 'off'))).toBe('flag billing has to serve on, otherwise everyone gets off')
  })
})

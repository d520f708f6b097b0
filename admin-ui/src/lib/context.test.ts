import { describe, expect, test } from 'vitest'
import { asked, evaluateCommand, fieldText, fieldValue, get, parseContext, parsePath, set } from './context'
import type { Targeting } from './model'
import { clauseWhy, distributionWhy, resultText, segmentWhy } from './trace'

test('a targeting says which attributes it asks for', () => {
  const t: Targeting = {
    enabled: true,
    off: 'off',
    rules: [
      { id: 'r1', when: { all: [{ attribute: 'plan', op: 'in', values: ['pro', 'team'] }, { not: { any: [{ attribute: 'age', op: 'gte', values: [18] }, { segment: 'beta' }, { segment: 'beta' }] } }] }, serve: { variant: 'on' } },
      { id: 'r2', when: { attribute: 'plan', op: 'in', values: ['free'] }, serve: { distribution: { exposure: 5, bucketBy: ['company.id', 'targetingKey'] } } },
      { id: 'r3', when: { flag: 'x', variants: ['on'] }, serve: { variant: 'on' } },
    ],
    default: { variant: 'off' },
  }
  expect(asked(t, new Map([['beta', { attribute: 'staff', op: 'in', values: [true] }]]))).toEqual([
    { path: 'targetingKey', type: 'text', examples: [] },
    { path: 'plan', type: 'text', examples: ['pro', 'team', 'free'] },
    { path: 'age', type: 'number', examples: [] },
    { path: 'staff', type: 'boolean', examples: ['true'] },
    { path: 'company.id', type: 'text', examples: [] },
  ])
})

test.each([
  ['plan', ['plan']],
  ['company.id', ['company', 'id']],
  ['a\\.b.c\\\\', ['a.b', 'c\\']],
  ['a..b', undefined],
  ['', undefined],
  ['.a', undefined],
  ['a\\x', undefined],
  ['a\\', undefined],
])('the path %j', (path, want) => expect(parsePath(path)).toEqual(want))

describe('values at paths', () => {
  test('set keeps the order and the rest', () => {
    expect(JSON.stringify(set({ a: 1, b: { c: 2, d: 3 }, e: 4 }, 'b.c', 9))).toBe('{"a":1,"b":{"c":9,"d":3},"e":4}')
    expect(set({}, 'a.b.c', true)).toEqual({ a: { b: { c: true } } })
    expect(set({ a: 5 }, 'a.b', 1)).toEqual({ a: { b: 1 } })
  })
  test('what is taken away leaves no empty objects', () => {
    expect(set({ a: { b: { c: 1 } }, z: 1 }, 'a.b.c', undefined)).toEqual({ z: 1 })
    expect(set({ a: { b: 1, c: 2 } }, 'a.b', undefined)).toEqual({ a: { c: 2 } })
    expect(set({ z: 1 }, 'a.b', undefined)).toEqual({ z: 1 })
  })
  test('get', () => {
    expect(get({ a: { 'b.c': 1 } }, 'a.b\\.c')).toBe(1)
    expect(get({ a: [1] }, 'a.0')).toBeUndefined()
    expect(get({}, 'constructor')).toBeUndefined()
  })
  test('__proto__ is a name like others', () => expect(JSON.stringify(set({}, '__proto__', 1))).toBe('{"__proto__":1}'))
})

test.each([
  ['', true],
  ['{}', true],
  ['{"targetingKey": 5}', true],
  ['{"targetingKey": 5.5}', false],
  ['{"targetingKey": true}', false],
  ['[]', false],
  ['{', false],
])('the context %j: %s', (text, ok) => expect(parseContext(text).ok).toBe(ok))

test('fields', () => {
  expect([fieldValue('number', '5'), fieldValue('number', 'x'), fieldValue('boolean', 'true'), fieldValue('text', '5'), fieldValue('text', '')]).toEqual([5, 'x', true, '5', undefined])
  expect([fieldText(5), fieldText('x'), fieldText(undefined), fieldText(['a'])]).toEqual(['5', 'x', '', '["a"]'])
})

test.each([
  [{}, ''],
  [{ targetingKey: 'ada' }, '--key ada '],
  [{ targetingKey: 7, plan: 'pro', age: 5 }, '--key 7 --attr plan=pro --attr age=5 '],
  [{ version: '5', company: { id: 'x y' } }, `--attr 'version="5"' --attr 'company={"id":"x y"}' `],
  [{ name: `O'Brien; rm` }, `--attr 'name=O'\\''Brien; rm' `],
])('the context %j on a command line', (c, want) => expect(evaluateCommand('f', 'production', c)).toBe(`dimmer evaluate f -e production ${want}--trace`))

describe('a trace in words', () => {
  test.each([
    [{ reason: 'DISABLED', cause: 'killed' }, 'killed'],
    [{ reason: 'TARGETING_MATCH', cause: 'rule', rule: 'r1' }, 'rule r1 decides'],
    [{ reason: 'SPLIT', cause: 'unexposed' }, 'not among the exposed'],
    [{ reason: 'ERROR', error: 'PARSE_ERROR' }, 'caller’s default'],
    [{ reason: 'ERROR', error: 'NEW' }, 'NEW'],
  ])('%j', (r, want) => expect(resultText(r)).toContain(want))

  test('clauses', () => {
    const c = { attribute: 'plan', op: 'in' as const, values: ['pro'] }
    expect(clauseWhy({ ...c, why: 'missing' })).toBe('plan is missing; a clause about what is missing is never true')
    expect(clauseWhy({ ...c, why: 'noMatch', candidates: [{ value: 'free', usable: true, match: false }] })).toBe('plan is free')
    expect(clauseWhy({ ...c, why: 'unusable', candidates: [{ value: 5, usable: false, match: false }] })).toContain('cannot compare')
    expect(clauseWhy({ ...c, why: 'unusable' })).toBe('plan is empty')
    expect(segmentWhy({ key: 'beta', why: 'included', attribute: 'targetingKey', list: true })).toBe('included by targetingKey, in its list')
  })

  test('distributions', () => {
    expect(distributionWhy({ exposure: 25_000, exposed: true, bucketBy: [{ attribute: 'company.id' }, { attribute: 'targetingKey', value: 'ada', key: 'ada' }], expose: { input: '', bucket: 12_345 }, assign: { input: '', bucket: 70_000 }, range: { variant: 'b', from: 60_000, to: 100_000 } })).toEqual([
      'company.id is missing',
      'drawn by targetingKey = ada',
      'bucket 12,345 is below 25,000: exposed',
      'bucket 70,000 lies in 60,000…99,999: b',
    ])
    expect(distributionWhy({ exposure: 25_000, exposed: false, keyless: true, bucketBy: [{ attribute: 'targetingKey' }] })).toEqual(['targetingKey is missing', 'without a key nobody is exposed'])
    expect(distributionWhy({ exposure: 0, exposed: false })).toEqual(['nobody is exposed: the exposure is 0 %'])
  })
})

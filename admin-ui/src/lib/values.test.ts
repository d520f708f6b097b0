import { describe, expect, test } from 'vitest'
import { type Clause, operators } from './model'
import { clauseProblems, isInstant, isNetwork, isVersion, operandTypes, parseJson, parseOperand, parseVariantValue, ruleId, splitValues, typeOfValues, variantText } from './values'

describe('operands', () => {
  test('every operator says what it takes', () => {
    for (const op of operators) expect(operandTypes(op).length > 0).toBe(op !== 'exists')
  })

  test.each([
    ['text', ' keeps blanks ', ' keeps blanks '],
    ['number', '12.5', 12.5],
    ['number', ' -3e2 ', -300],
    ['number', '.5', 0.5],
    ['boolean', 'true', true],
    ['instant', '2026-11-20T14:02:00Z', '2026-11-20T14:02:00Z'],
    ['instant', '1763647320000', 1763647320000],
    ['version', 'v1.2.3-beta.1+build', 'v1.2.3-beta.1+build'],
    ['network', '10.0.0.0/8', '10.0.0.0/8'],
    ['pattern', '^a$', '^a$'],
  ] as const)('%s %j is %j', (type, input, value) => expect(parseOperand(type, input)).toEqual({ ok: true, value }))

  test.each([
    ['number', ''],
    ['number', '1,5'],
    ['number', '0x10'],
    ['number', 'NaN'],
    ['number', '1e999'],
    ['number', '9007199254740993'],
    ['boolean', 'yes'],
    ['instant', 'tomorrow'],
    ['version', '1.2.x'],
    ['network', 'example.com'],
    ['pattern', ''],
    ['pattern', 'x'.repeat(257)],
  ] as const)('%s %j is refused', (type, input) => expect(parseOperand(type, input)).toEqual({ ok: false, error: expect.any(String) }))

  test('what is pasted is split, once each', () => expect(splitValues('DE, AT\r\n CH ,,DE\n')).toEqual(['DE', 'AT', 'CH']))

  test('the type of what is there', () => {
    expect(typeOfValues('in', [1, 2])).toBe('number')
    expect(typeOfValues('in', [true])).toBe('boolean')
    expect(typeOfValues('in', ['1', 1])).toBe('text')
    expect(typeOfValues('in', [])).toBe('text')
    expect(typeOfValues('gt', [1])).toBe('number')
  })
})

test.each([
  ['2026-02-28T00:00:00Z', true],
  ['2024-02-29T23:59:59.123+01:00', true],
  ['2026-02-29T00:00:00Z', false],
  ['2026-11-20T24:00:00Z', false],
  ['2026-11-20T14:02:60Z', false],
  ['2026-11-20t14:02:00z', false],
  ['2026-11-20 14:02:00Z', false],
  ['2026-11-20T14:02:00', false],
  ['2026-11-20T14:02:00+24:00', false],
  ['0001-01-01T00:00:00Z', true],
  ['8640000000000000', true],
  ['8640000000000001', false],
  ['-5', true],
])('instant %s: %s', (t, want) => expect(isInstant(t)).toBe(want))

test.each([
  ['1', true],
  ['1.2', true],
  ['v1.2.3', true],
  ['1.2.3-rc.1', true],
  ['1.2.3-01', false],
  ['1.2.3-0a', true],
  ['01.2.3', false],
  ['1.2.3.4', false],
  ['1.2.3-', false],
  ['1.2.3+', false],
  ['9007199254740991', true],
  ['9007199254740992', false],
  ['', false],
])('version %s: %s', (t, want) => expect(isVersion(t)).toBe(want))

test.each([
  ['10.0.0.0/8', true],
  ['10.0.0.1', true],
  ['10.0.0.0/33', false],
  ['10.0.0/8', false],
  ['010.0.0.1', false],
  ['256.0.0.1', false],
  ['::/0', true],
  ['::1', true],
  ['2001:db8::/32', true],
  ['2001:db8::/129', false],
  ['1:2:3:4:5:6:7:8', true],
  ['1:2:3:4:5:6:7', false],
  ['1::2::3', false],
  ['1:2:3:4:5:6:7::8', false],
  ['::ffff:10.0.0.1', true],
  ['::ffff:10.0.0.0/104', true],
  ['::ffff:10.0.0.0/8', false],
  ['fe80::1%eth0', false],
  ['10.0.0.0/8/8', false],
  ['', false],
])('network %s: %s', (t, want) => expect(isNetwork(t)).toBe(want))

describe('what is wrong with a clause', () => {
  const c = (more: Partial<Clause>): Clause => ({ attribute: 'a', op: 'in', values: ['x'], ...more })
  test.each<[Clause, string[]]>([
    [c({}), []],
    [c({ attribute: ' ' }), ['/attribute']],
    [c({ attribute: 'a..b' }), ['/attribute']],
    [c({ attribute: 'a\\.b.c' }), []],
    [c({ attribute: 'a\\\\.' }), ['/attribute']],
    [c({ values: [] }), ['/values']],
    [c({ values: ['x', 1, true] }), []],
    [c({ op: 'exists', values: undefined }), []],
    [c({ op: 'gt', values: ['5'] }), ['/values/0']],
    [c({ op: 'contains', values: ['a', 5] }), ['/values/1']],
    [c({ op: 'before', values: [5, '2026-11-20T14:02:00Z'] }), []],
    [c({ op: 'before', values: ['soon'] }), ['/values/0']],
    [c({ op: 'semverGt', values: ['1.2', 'x'] }), ['/values/1']],
    [c({ op: 'modulo', values: [10, 3] }), []],
    [c({ op: 'modulo', values: [10, 10] }), ['/values']],
    [c({ op: 'modulo', values: [0, 0] }), ['/values']],
    [c({ op: 'modulo', values: [] }), ['/values']],
  ])('%j', (clause, want) => expect(Object.keys(clauseProblems(clause))).toEqual(want))
})

describe('values of variants', () => {
  test('each type reads its own', () => {
    expect(parseVariantValue('string', '5')).toEqual({ ok: true, value: '5' })
    expect(parseVariantValue('number', '5')).toEqual({ ok: true, value: 5 })
    expect(parseVariantValue('boolean', 'false')).toEqual({ ok: true, value: false })
    expect(parseVariantValue('json', '{"a":[1]}')).toEqual({ ok: true, value: { a: [1] } })
    expect(parseVariantValue('json', 'null').ok).toBe(false)
    expect(parseVariantValue('number', 'five').ok).toBe(false)
  })
  test('what is no JSON is told by its place', () => {
    expect(parseJson('{\n  "a": 1,\n  b: 2\n}')).toEqual({ ok: false, error: 'this is not JSON: line 3, column 3' })
    expect(parseJson('')).toEqual({ ok: false, error: 'a JSON value is needed' })
    expect(parseJson('{"a"').ok).toBe(false)
  })
  test('and back to text', () => {
    expect(variantText('string', 'x')).toBe('x')
    expect(variantText('json', { a: 1 })).toBe('{\n  "a": 1\n}')
    expect(variantText('boolean', true)).toBe('true')
  })
})

test('a new rule has an id of the form that the server gives', () => expect(ruleId(new Uint8Array([0, 35, 36, 255, 1, 2, 3, 4, 5]))).toBe('r-a9adbcde'))

import { describe, expect, test } from 'vitest'
import { diffDocument, diffFlag, diffJson, diffTargeting, documentName, lineText, movedRules, placeName } from './diff'
import { merge } from './merge'
import type { Flag, Rule, Targeting } from './model'

const rule = (id: string, more: Partial<Rule> = {}): Rule => ({ id, when: { segment: id }, serve: { variant: 'on' }, ...more })
const base: Targeting = {
  enabled: true,
  off: 'off',
  rules: [rule('r1'), rule('r2', { name: 'EU' }), rule('r3')],
  default: { distribution: { exposure: 25, weights: { on: 100 }, otherwise: 'off' } },
  version: 7,
}
const say = (after: Partial<Targeting>, before: Partial<Targeting> = {}) => diffTargeting({ ...base, ...before }, { ...base, ...after }).map(lineText)

describe('a targeting', () => {
  test('nothing changed, but for what the server keeps', () => expect(say({ version: 8, updatedAt: 'x', lines: {} })).toEqual([]))

  test('a ramp is one line', () => {
    const lines = diffTargeting(base, { ...base, default: { distribution: { exposure: 50, weights: { on: 100 }, otherwise: 'off' } } })
    expect(lines).toEqual([{ kind: 'changed', subject: 'everyone else', text: 'exposure', from: '25 %', to: '50 %', about: 'exposure' }])
    expect(lines.map(lineText)).toEqual(['everyone else: exposure 25 % → 50 %'])
  })

  test('on and off', () => {
    expect(say({ enabled: false })).toEqual(['targeting: on → off (everyone gets off)'])
    expect(say({}, { enabled: false, off: 'no' })).toEqual(['targeting: off (everyone gets no) → on', 'off variant: no → off'])
  })

  test('rules come, go, move and change', () => {
    expect(say({ rules: [rule('r1'), rule('r2', { name: 'EU' })] })).toEqual(['rule 3: removed if in segment r3 → on'])
    expect(say({ rules: [rule('r0'), ...(base.rules ?? [])] })).toEqual(['rule 1: added if in segment r0 → on'])
    expect(say({ rules: [rule('r3'), rule('r1'), rule('r2', { name: 'EU' })] })).toEqual(['rule 3: moves to place 1'])
    expect(say({ rules: [rule('r1', { when: { segment: 'staff' } }), rule('r2', { name: 'Europe' }), rule('r3', { serve: { variant: 'off' } })] })).toEqual([
      'rule 1: condition in segment r1 → in segment staff',
      'rule 2: name EU → Europe',
      'rule 3: serves on → off',
    ])
    expect(say({ rules: [rule('r1', { when: undefined }), rule('r2', { name: 'EU' }), rule('r3')] })).toEqual(['rule 1: condition in segment r1 → everyone'])
  })

  test('weights, what one draws by, and what the others get', () => {
    expect(say({ default: { distribution: { exposure: 25, weights: { on: 60.5, beta: 39.5 }, bucketBy: ['company.id'] } } })).toEqual([
      'everyone else: share of on 100 % → 60.5 %',
      'everyone else: share of beta 0 % → 39.5 %',
      'everyone else: draws by targetingKey → company.id',
    ])
    expect(say({ default: { distribution: { exposure: 25, weights: { on: 100 }, otherwise: 'beta' } } })).toEqual(['everyone else: the unexposed get off → beta'])
    expect(say({ default: { variant: 'on' } })).toEqual(['everyone else: serves 25 % on, otherwise off → on'])
  })

  test('prerequisites', () => {
    const p = (flag: string, ...variants: string[]) => ({ flag, variants })
    expect(say({ prerequisites: [p('a', 'on', 'b')] }, { prerequisites: [p('a', 'on'), p('z', 'on')] })).toEqual([
      'prerequisite: a serves on → a serves on or b',
      'prerequisite: removed z serves on',
    ])
    expect(say({ prerequisites: [p('b', 'on'), p('a', 'on')] }, { prerequisites: [p('a', 'on'), p('b', 'on')] })).toEqual(['prerequisites: in another order'])
  })

  test.each([
    [['a', 'b', 'c'], ['c', 'a', 'b'], ['c']],
    [['a', 'b', 'c'], ['b', 'c', 'a'], ['a']],
    [['a', 'b'], ['b', 'a'], ['b']],
    [['a', 'b', 'c'], ['a', 'x', 'c'], []],
    [[], [], []],
  ])('of %j → %j the fewest are said to move', (before, after, want) => expect(movedRules(before, after).size).toBe(want.length))

  test('places have names', () => {
    expect(placeName(base, 'r2')).toBe('rule 2 “EU”')
    expect(placeName(base, 'default')).toBe('everyone else')
    expect(placeName(base, 'gone')).toBe('rule gone')
  })
})

describe('other documents', () => {
  const flag: Flag = { key: 'f', type: 'json', kind: 'release', tags: ['a', 'b'], salt: 's', variants: [{ key: 'x', value: { size: 1, deep: { on: true } } }, { key: 'y', value: 'text' }] }
  test('a flag', () => {
    expect(
      diffFlag(flag, {
        ...flag, name: 'F', tags: ['b', 'c'], salt: 't', archived: true, clientVisible: true,
        variants: [{ key: 'y', value: 'other' }, { key: 'x', name: 'X', value: { size: 2, deep: { on: true } } }, { key: 'z', value: 5 }],
      }).map(lineText),
    ).toEqual([
      'name: added F', 'visible to clients: added yes', 'archived: added yes', 'tag: removed a', 'tag: added c', 'cohorts: drawn anew for everyone',
      'variant y: text → other', 'variant x: name X', 'variant x.size: 1 → 2', 'variant z: added 5', 'variants: in another order',
    ])
  })
  test('kills', () => {
    expect(diffDocument({ document: 'kill/production/1', after: { reason: 'errors' } }).map(lineText)).toEqual(['kill: errors'])
    expect(diffDocument({ document: 'kill/production/1', before: {}, after: { cleared: { reason: 'fixed' } } }).map(lineText)).toEqual(['kill: cleared: fixed'])
    expect(diffDocument({ document: 'kill/production/1', before: { reason: 'errors', cleared: {} } }).map(lineText)).toEqual(['kill: cleared'])
  })
  test('what is made and deleted', () => {
    expect(diffDocument({ document: 'segment/beta', after: { key: 'beta' } }).map(lineText)).toEqual(['segment beta: created'])
    expect(diffDocument({ document: 'segment/beta', before: { key: 'beta' } }).map(lineText)).toEqual(['segment beta: deleted'])
  })
  test.each([
    ['flag/f', 'flag f'],
    ['targeting/production/f', 'targeting of f in production'],
    ['segmentlist/beta/production', 'segment beta in production'],
    ['project', 'project'],
    ['a/b/c', 'a/b/c'],
  ])('%s is called %s', (document, want) => expect(documentName(document)).toBe(want))
  test('a segment by paths', () => {
    expect(
      diffDocument({ document: 'segment/beta', before: { key: 'beta', version: 1, include: { targetingKey: ['a', 'b'] } }, after: { key: 'beta', version: 2, include: { targetingKey: ['b', 'c'] }, name: 'B' } }).map(lineText),
    ).toEqual(['include.targetingKey: removed a', 'include.targetingKey: added c', 'name: added B'])
  })
  test('any JSON', () => {
    expect(diffJson([{ a: 1 }], [{ a: 2 }, { a: 3 }], 'x').map(lineText)).toEqual(['x[0].a: 1 → 2', 'x[1]: added {"a":3}'])
    expect(diffJson([1, 2], [2, 1], 'x').map(lineText)).toEqual(['x: in another order'])
    expect(diffJson(1, 'a b').map(lineText)).toEqual(['value: 1 → "a b"'])
    expect(diffJson({ a: 'x'.repeat(500) }, {}).map(lineText)[0]?.length).toBeLessThan(140)
  })
})

describe('applying mine again to theirs', () => {
  const ramped = (t: Targeting, exposure: number): Targeting => ({ ...t, default: { distribution: { ...t.default.distribution, exposure } } })
  test('what only one touched is taken from that one', () => {
    const mine = ramped(base, 50)
    const theirs: Targeting = { ...base, version: 9, rules: [rule('r1'), rule('r4'), rule('r2', { name: 'EU' }), rule('r3', { when: { segment: 'x' } })] }
    const { targeting, conflicts } = merge(base, mine, theirs)
    expect(conflicts).toEqual([])
    expect(targeting.version).toBe(9)
    expect(targeting.default.distribution?.exposure).toBe(50)
    expect(targeting.rules?.map((r) => r.id)).toEqual(['r1', 'r4', 'r2', 'r3'])
    expect(targeting.rules?.[3]?.when).toEqual({ segment: 'x' })
  })
  test('where both changed the same mine wins, and it is said', () => {
    const { targeting, conflicts } = merge(base, ramped(base, 50), ramped(base, 30))
    expect(conflicts).toEqual(['everyone else'])
    expect(targeting.default.distribution?.exposure).toBe(50)
  })
  test('both did the same: no conflict', () => expect(merge(base, ramped(base, 50), ramped(base, 50)).conflicts).toEqual([]))
  test('within a rule condition and serve are apart', () => {
    const mine = { ...base, rules: [rule('r1', { serve: { variant: 'off' } }), ...(base.rules ?? []).slice(1)] }
    const theirs = { ...base, rules: [rule('r1', { when: { segment: 'x' } }), ...(base.rules ?? []).slice(1)] }
    expect(merge(base, mine, theirs)).toMatchObject({ conflicts: [], targeting: { rules: [{ id: 'r1', when: { segment: 'x' }, serve: { variant: 'off' } }, {}, {}] } })
  })
  test('my order counts if I moved something', () => {
    const mine = { ...base, rules: [rule('r3'), rule('r1'), rule('r2', { name: 'EU' })] }
    const theirs = { ...base, rules: [rule('r1'), rule('r2', { name: 'EU' }), rule('r4'), rule('r3')] }
    expect(merge(base, mine, theirs).targeting.rules?.map((r) => r.id)).toEqual(['r3', 'r1', 'r2', 'r4'])
  })
  test('what one removed and the other changed is named', () => {
    const less = { ...base, rules: [rule('r2', { name: 'EU' }), rule('r3')] }
    const other = { ...base, rules: [rule('r1', { serve: { variant: 'off' } }), rule('r2', { name: 'EU' }), rule('r3')] }
    expect(merge(base, less, other)).toMatchObject({ conflicts: ['rule 1, which you removed'], targeting: { rules: [{ id: 'r2' }, { id: 'r3' }] } })
    expect(merge(base, other, less)).toMatchObject({ conflicts: ['rule 1, which was removed'], targeting: { rules: [{ id: 'r1' }, { id: 'r2' }, { id: 'r3' }] } })
    expect(merge(base, less, base).targeting.rules?.map((r) => r.id)).toEqual(['r2', 'r3'])
    expect(merge(base, base, less).targeting.rules?.map((r) => r.id)).toEqual(['r2', 'r3'])
  })
})

import { describe, expect, test } from 'vitest'
import type { Condition } from './model'
import { depth, flagLeaf, fromTop, group, segmentLeaf, topGroup, view } from './tree'

const clause: Condition = { attribute: 'a', op: 'in', values: ['x'] }
const beta: Condition = { segment: 'beta' }

const pointerTo = (root: Condition, pointer: string): unknown =>
  pointer.split('/').slice(1).reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], root)

describe('groups', () => {
  test.each<[Condition, string, number]>([
    [{ all: [clause, beta] }, 'all', 2],
    [{ any: [clause] }, 'any', 1],
    [{ not: { any: [clause, beta] } }, 'none', 2],
    [{ not: { all: [clause, beta] } }, 'notAll', 2],
    [{ not: clause }, 'none', 1],
    [{ not: { not: beta } }, 'none', 1],
    [{ all: [] }, 'all', 0],
  ])('%j', (c, mode, n) => {
    const v = view(c)
    expect(v).toMatchObject({ kind: 'group', mode })
    if (v.kind !== 'group') return
    expect(v.kids).toHaveLength(n)
    for (const kid of v.kids) expect(pointerTo(c, kid.pointer)).toBe(kid.condition)
    if (!('not' in c && !('any' in c.not) && !('all' in c.not))) expect(group(v.mode, v.kids.map((k) => k.condition))).toEqual(c)
  })
})

test('a negated segment or flag is a leaf, with the pointer to what it names', () => {
  expect(view({ not: beta })).toEqual({ kind: 'segment', segment: 'beta', negate: true, pointer: '/not' })
  expect(view(flagLeaf('f', ['on'], true))).toEqual({ kind: 'flag', flag: 'f', variants: ['on'], negate: true, pointer: '/not' })
  expect([segmentLeaf('beta', true), segmentLeaf('beta', false), flagLeaf('f', ['on'], false)]).toEqual([{ not: beta }, beta, { flag: 'f', variants: ['on'] }])
  expect(view(clause)).toEqual({ kind: 'clause', clause })
})

test('a rule’s condition goes to the editor and back as it was', () => {
  for (const c of [undefined, clause, beta, { all: [clause, beta] }, { any: [clause, beta] }, { not: { any: [clause, beta] } }, { not: beta }] as (Condition | undefined)[]) {
    const top = topGroup(c)
    expect(fromTop(top.mode, top.kids.map((k) => k.condition))).toEqual(c)
  }
  expect(fromTop('any', [clause])).toBe(clause)
  expect(fromTop('none', [clause])).toEqual({ not: { any: [clause] } })
})

test('depth', () => {
  expect(depth(clause)).toBe(1)
  expect(depth({ not: { all: [{ any: [clause] }, beta] } })).toBe(4)
  expect(depth({ all: [] })).toBe(1)
})

import { describe, expect, test } from 'vitest'
import { lineText } from '../../lib/diff'
import { linesOf } from './lines'

const of = (document: string, before: unknown, after: unknown) => linesOf({ document, before, after } as never).map(lineText)

describe('linesOf', () => {
  test('keys of a list are counted', () => {
    expect(of('segmentlist/beta/production', { active: true, include: { count: 1000 } }, { active: true, include: { count: 12_000 } })).toEqual([
      'included keys: 11,000 keys more: 1,000 → 12,000',
    ])
  })
  test('a first list', () => {
    expect(of('segmentlist/beta/production', undefined, { active: true, exclude: { count: 1, attribute: 'company.id' } })).toEqual([
      'excluded keys: 1 key more: 0 → 1',
      'excluded keys: compared with targetingKey → company.id',
    ])
  })
  test('an activation', () => {
    expect(of('segmentlist/beta/production', { active: true }, { active: false })).toEqual(['segment: active → not active: nobody is in it'])
  })
  test('keys that were exchanged', () => {
    expect(of('segmentlist/beta/production', { active: true, include: { count: 2 } }, { active: true, include: { count: 2 } })).toHaveLength(1)
  })
  test('a flag that was made shows what it is', () => {
    const got = of('flag/a', undefined, { key: 'a', type: 'boolean', name: 'A', kind: 'release', variants: [{ key: 'on', value: true }] })
    expect(got[0]).toBe('created: a boolean flag')
    expect(got).toContain('name: added A')
    expect(got).toContain('variant on: added true')
  })
  test('a targeting that was made off says so in one line', () => {
    expect(of('targeting/production/a', undefined, { enabled: false, off: 'off', default: { variant: 'off' } })).toEqual(['created: off, everyone gets off'])
  })
  test('a targeting that was made on shows what it does', () => {
    expect(of('targeting/production/a', undefined, { enabled: true, off: 'off', default: { variant: 'on' } }).length).toBeGreaterThan(1)
  })
  test('what was deleted is said to be', () => {
    expect(of('segment/beta', { key: 'beta' }, undefined)).toEqual(['segment beta: deleted'])
  })
  test('what was changed is left to the diff', () => {
    expect(of('environment/staging', { key: 'staging', name: 'S', version: 1 }, { key: 'staging', name: 'Staging', version: 2 })).toEqual(['name: S → Staging'])
  })
  test('a segment’s condition is a sentence, its keys are told one by one', () => {
    expect(
      of(
        'segment/beta',
        { key: 'beta', name: 'Beta', version: 3, when: { attribute: 'plan', op: 'in', values: ['pro'] }, include: { targetingKey: ['ada', 'bob'] } },
        { key: 'beta', name: 'Beta', version: 4, when: { attribute: 'plan', op: 'in', values: ['gold'] }, include: { targetingKey: ['ada', 'eve'] }, exclude: { 'company.id': ['c1'] } },
      ),
    ).toEqual(['condition: plan is pro → plan is gold', 'included: removed bob', 'included: added eve', 'excluded by company.id: added c1'])
  })
  test('a condition that goes leaves nobody but the included', () => {
    expect(of('segment/beta', { key: 'beta', when: { segment: 'staff' } }, { key: 'beta' })).toEqual(['condition: in segment staff → nobody but those included'])
  })
})

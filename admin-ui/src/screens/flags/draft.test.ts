import { describe, expect, it } from 'vitest'
import { type Draft, draftErrors, emptyDraft, flagOf, keyFrom, withKind, withType } from './draft'

const draft = (part: Partial<Draft> = {}): Draft => ({ ...emptyDraft, key: 'new-checkout', ...part })

describe('keyFrom', () => {
  it.each([
    ['New checkout!', 'new-checkout'],
    ['  Überraschung  2 ', 'uberraschung-2'],
    ['a.b_c', 'a.b_c'],
    ['…', ''],
    ['x'.repeat(200), 'x'.repeat(128)],
  ])('of %j is %j', (name, key) => expect(keyFrom(name)).toBe(key))
})

describe('draftErrors', () => {
  it('has nothing against a key alone', () => expect(draftErrors(draft())).toEqual({}))
  it.each(['', 'New', '-a', 'a b', 'ä', 'x'.repeat(129)])('refuses the key %j', (key) => expect(Object.keys(draftErrors(draft({ key })))).toEqual(['/key']))
  it('suggests small letters', () => expect(draftErrors(draft({ key: 'newCheckout' }))['/key']).toBe('Small letters only: newcheckout'))
  it('wants two variants of different names with values of the type', () => {
    const variants = [
      { key: 'a', value: 'one' },
      { key: 'a', value: '2' },
      { key: '', value: '3' },
    ]
    expect(Object.keys(draftErrors(draft({ type: 'number', variants })))).toEqual(['/variants/0/value', '/variants/1/key', '/variants/2/key'])
    expect(Object.keys(draftErrors(draft({ type: 'string', variants: [{ key: 'a', value: '' }] })))).toEqual(['/variants'])
  })
})

describe('templates', () => {
  it('give an experiment two texts, and take them away again', () => {
    const experiment = withKind(draft(), 'experiment')
    expect([experiment.type, experiment.variants.map((each) => each.key)]).toEqual(['string', ['control', 'treatment']])
    expect(withKind(experiment, 'release')).toEqual(draft())
  })
  it('keep a type that was chosen', () => expect(withKind(withType(draft(), 'json'), 'permission').type).toBe('json'))
  it('keep variants when nothing changes', () => {
    const experiment = { ...withKind(draft(), 'experiment'), variants: [] }
    expect(withKind(experiment, 'experiment')).toBe(experiment)
    expect(withType(experiment, 'string')).toBe(experiment)
  })
})

describe('flagOf', () => {
  it('leaves empty fields out', () => expect(flagOf(draft())).toEqual({ key: 'new-checkout', type: 'boolean', kind: 'release', clientVisible: false }))
  it('gives values their type, and the first is off', () =>
    expect(flagOf(draft({ type: 'json', name: ' N ', tags: ['a'], variants: [{ key: 'none', value: '{}' }, { key: 'some', value: '[1]' }] }))).toMatchObject({
      name: 'N',
      tags: ['a'],
      off: 'none',
      variants: [
        { key: 'none', value: {} },
        { key: 'some', value: [1] },
      ],
    }))
})

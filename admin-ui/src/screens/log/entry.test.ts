import { describe, expect, test } from 'vitest'
import { parseDocument, parseTarget, restorable, subjectOf, toneOf, verbWord } from './entry'

describe('parseTarget', () => {
  test.each([
    ['flag/new-checkout@production', { kind: 'flag', key: 'new-checkout', flag: 'new-checkout', environment: 'production' }, 'new-checkout'],
    ['flag/new-checkout', { kind: 'flag', key: 'new-checkout', flag: 'new-checkout' }, 'new-checkout'],
    ['segment/beta@staging', { kind: 'segment', key: 'beta', environment: 'staging' }, 'segment beta'],
    ['environment/staging', { kind: 'environment', key: 'staging', environment: 'staging' }, 'environment staging'],
    ['tag/checkout@production', { kind: 'tag', key: 'checkout', environment: 'production' }, 'tag checkout'],
    ['revision/41', { kind: 'revision', key: '41' }, 'revision 41'],
    ['revision/41@production', { kind: 'revision', key: '41', environment: 'production' }, 'production to revision 41'],
    ['revision/41/flag/a@production', { kind: 'revision', key: '41', flag: 'a', environment: 'production' }, 'flag a to revision 41'],
    ['project/shop', { kind: 'project', key: 'shop' }, 'project shop'],
    ['anything', { kind: 'other', key: 'anything' }, 'anything'],
    ['', { kind: 'other', key: '' }, ''],
  ] as const)('%s', (text, want, subject) => {
    expect(parseTarget(text)).toEqual(want)
    expect(subjectOf(parseTarget(text))).toBe(subject)
  })
})

describe('parseDocument', () => {
  test.each([
    ['flag/a', { kind: 'flag', key: 'a' }, true],
    ['targeting/production/a', { kind: 'targeting', environment: 'production', key: 'a' }, true],
    ['segment/beta', { kind: 'segment', key: 'beta' }, true],
    ['segmentlist/beta/production', { kind: 'segmentlist', environment: 'production', key: 'beta' }, true],
    ['kill/production/01J', { kind: 'kill', environment: 'production', key: '01J' }, false],
    ['environment/production', { kind: 'environment', environment: 'production', key: 'production' }, false],
    ['else/where', { kind: 'other', key: 'else/where' }, false],
  ] as const)('%s', (text, want, back) => {
    expect(parseDocument(text)).toEqual(want)
    expect(restorable(parseDocument(text))).toBe(back)
  })
})

test('verbs are words, and an unknown one is itself', () => {
  expect(verbWord('targeting.ramp')).toBe('ramped')
  expect(verbWord('future.verb')).toBe('future.verb')
  expect(toneOf('kill.tag')).toBe('kill')
  expect(toneOf('kill.clear')).toBe('plain')
  expect(toneOf('targeting.ramp')).toBe('exposure')
})

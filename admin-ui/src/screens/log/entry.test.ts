import { describe, expect, test } from 'vitest'
import { type LogEntry, matches, parseDocument, parseTarget, restorable, subjectOf, toneOf, verbWord } from './entry'

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

describe('matches', () => {
  const entry = (verb: string, target: string, ...documents: string[]): LogEntry => ({
    revision: 1, epoch: 1, at: '2026-11-25T12:00:00Z', actor: 'token:ada', verb, target, changes: documents.map((document) => ({ document })),
  })
  const ramp = entry('targeting.ramp', 'flag/a@production', 'targeting/production/a')
  const kill = entry('kill', 'flag/a@production', 'kill/production/01J')
  const byTag = entry('kill.tag', 'tag/x@production', 'kill/production/01J', 'kill/production/01K')
  const made = entry('flag.create', 'flag/b', 'flag/b', 'targeting/production/b', 'targeting/staging/b')
  const list = entry('segment.list', 'segment/beta@staging', 'segmentlist/beta/staging')
  test.each([
    ['no filter', ramp, {}, true],
    ['its flag', ramp, { flag: 'a' }, true],
    ['another flag', ramp, { flag: 'b' }, false],
    ['its environment', ramp, { environment: 'production' }, true],
    ['another environment', ramp, { environment: 'staging' }, false],
    ['flag and environment', made, { flag: 'b', environment: 'staging' }, true],
    ['a flag there, but not in that environment', ramp, { flag: 'a', environment: 'staging' }, false],
    ['its actor', ramp, { actor: 'token:ada' }, true],
    ['another actor', ramp, { actor: 'token:bob', flag: 'a' }, false],
    ['a kill tells its flag by its target', kill, { flag: 'a', environment: 'production' }, true],
    ['a kill of another flag', kill, { flag: 'b' }, false],
    ['a kill by tag does not tell its flags', byTag, { flag: 'a' }, undefined],
    ['nor in another environment does it matter', byTag, { flag: 'a', environment: 'staging' }, false],
    ['a kill by tag tells its environment', byTag, { environment: 'production' }, true],
    ['a segment is of no flag', list, { flag: 'a' }, false],
    ['a segment list is of an environment', list, { environment: 'staging' }, true],
  ] as const)('%s', (_, e, filter, want) => expect(matches(e, filter)).toBe(want))
})

import { describe, expect, test } from 'vitest'
import { filtered, type Instance, ordered, totals, verdict, versions } from './totals'

const of = (instance: string, state: Instance['state'], over: Partial<Instance> = {}): Instance => ({ instance, state, sdk: 'go', sdkVersion: '1.2.0', application: 'shop', environment: 'production', node: 'n1', ...over })

const all = [
  of('b', 'connected'),
  of('a', 'connected', { sdkVersion: '1.3.0' }),
  of('c', 'behind', { lag: 2 }),
  of('d', 'behind', { lag: 40, environment: 'staging' }),
  of('e', 'lost', { application: 'crowd' }),
  of('f', 'connected', { sdk: undefined, sdkVersion: undefined }),
]

test('those that need a look come first', () => {
  expect(ordered(all).map((i) => i.instance)).toEqual(['e', 'd', 'c', 'a', 'b', 'f'])
})

test('totals add up', () => {
  expect(totals(all)).toEqual({ all: 6, connected: 3, behind: 2, lost: 1 })
  expect(totals([])).toEqual({ all: 0, connected: 0, behind: 0, lost: 0 })
})

test('versions, the most frequent first', () => {
  expect(versions(all)).toEqual([
    { sdk: 'go', version: '1.2.0', count: 4 },
    { sdk: 'go', version: '1.3.0', count: 1 },
    { sdk: 'unknown', version: '', count: 1 },
  ])
})

describe('verdict', () => {
  test.each([
    ['nobody', { all: 0, connected: 0, behind: 0, lost: 0 }, false, 'No SDK is connected.'],
    ['all', { all: 1207, connected: 1207, behind: 0, lost: 0 }, false, 'All 1,207 up to date.'],
    ['one', { all: 1, connected: 1, behind: 0, lost: 0 }, false, 'The only one is up to date.'],
    ['some behind', { all: 10, connected: 8, behind: 2, lost: 0 }, false, '8 of 10 up to date; 2 behind.'],
    ['behind and lost', { all: 10, connected: 6, behind: 2, lost: 2 }, false, '6 of 10 up to date; 2 behind, 2 lost.'],
    ['a part that is fine', { all: 1000, connected: 1000, behind: 0, lost: 0 }, true, 'All 1,000 that are listed are up to date.'],
    ['a part that is not', { all: 1000, connected: 999, behind: 0, lost: 1 }, true, 'Of the 1,000 that are listed, 999 of 1,000 up to date; 1 lost.'],
  ])('%s', (_, t, truncated, want) => expect(verdict(t, truncated)).toBe(want))
})

describe('filtered', () => {
  test.each([
    ['nothing', {}, 'abcdef'],
    ['state', { state: 'behind' }, 'cd'],
    ['environment', { env: 'staging' }, 'd'],
    ['application, any case', { q: ' CROWD' }, 'e'],
    ['version', { q: '1.3' }, 'a'],
    ['both', { state: 'behind', env: 'production' }, 'c'],
    ['no match', { q: 'zzz' }, ''],
  ])('%s', (_, filter, want) => expect(filtered(all, filter).map((i) => i.instance).toSorted().join('')).toBe(want))
})

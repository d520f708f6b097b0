import { describe, expect, it } from 'vitest'
import type { FlagState } from '../../api/flags'
import { facets, filterFlags, nextSort, parseSort, sortFlags } from './filter'

const flag = (key: string, more: Partial<FlagState['flag']> = {}, environments: FlagState['environments'] = {}): FlagState => ({
  flag: { key, type: 'boolean', ...more },
  environments,
})
const all = [
  flag('banner', { type: 'string', kind: 'operational', tags: ['copy'], owner: 'marketing@shop.example' }, { staging: { state: 'off' }, production: { state: 'on', exposure: 100 } }),
  flag('new-checkout', { kind: 'release', name: 'New checkout', tags: ['checkout', 'revenue'], owner: 'checkout@shop.example' }, { staging: { state: 'on', exposure: 100 }, production: { state: 'exposure', exposure: 25 } }),
  flag('one-click', { kind: 'release', description: 'Pay at once', tags: ['checkout'] }, { staging: { state: 'rules', exposure: 0 }, production: { state: 'killed', exposure: 50 } }),
]
const shown = (items: readonly FlagState[]) => items.map((item) => item.flag.key).join(' ')

describe('filterFlags', () => {
  it.each([
    ['everything', {}, 'banner new-checkout one-click'],
    ['a part of a key', { q: 'check' }, 'new-checkout one-click'],
    ['whatever the case', { q: 'NEW Checkout' }, 'new-checkout'],
    ['words in any order and place', { q: 'pay one' }, 'one-click'],
    ['an owner by search', { q: 'marketing@' }, 'banner'],
    ['spaces alone', { q: '  ' }, 'banner new-checkout one-click'],
    ['a tag, whole', { tag: 'check' }, ''],
    ['a tag', { tag: 'checkout' }, 'new-checkout one-click'],
    ['a type', { type: 'string' }, 'banner'],
    ['a kind and an owner', { kind: 'release', owner: 'checkout@shop.example' }, 'new-checkout'],
    ['a state anywhere', { state: 'on' }, 'banner new-checkout'],
    ['a state in one environment', { state: 'on', env: 'production' }, 'banner'],
    ['a state where there is no such environment', { state: 'on', env: 'qa' }, ''],
  ])('finds %s', (_, search, want) => expect(shown(filterFlags(all, search))).toBe(want))
})

describe('sortFlags', () => {
  it.each([
    [undefined, 'banner new-checkout one-click'],
    ['-flag', 'one-click new-checkout banner'],
    ['kind', 'banner new-checkout one-click'],
    ['-env:production', 'one-click banner new-checkout'],
    ['env:production', 'new-checkout banner one-click'],
    ['-env:staging', 'new-checkout one-click banner'],
    ['nonsense', 'banner new-checkout one-click'],
  ])('by %s', (sort, want) => expect(shown(sortFlags(all.toReversed(), parseSort(sort)))).toBe(want))
})

describe('nextSort', () => {
  it('goes round for a word', () => {
    expect(nextSort(parseSort(undefined), 'kind')).toBe('kind')
    expect(nextSort(parseSort('kind'), 'kind')).toBe('-kind')
    expect(nextSort(parseSort('-kind'), 'kind')).toBeUndefined()
  })
  it('begins with the most for a measure', () => {
    expect(nextSort(parseSort('kind'), 'env:production')).toBe('-env:production')
    expect(nextSort(parseSort('-env:production'), 'env:production')).toBe('env:production')
    expect(nextSort(parseSort('env:production'), 'env:production')).toBeUndefined()
  })
  it('turns the first order about', () => expect([nextSort(parseSort(undefined), 'flag'), nextSort(parseSort('-flag'), 'flag')]).toEqual(['-flag', undefined]))
})

describe('facets', () => {
  it('are each value once, in order', () => expect(facets(all)).toEqual({ tags: ['checkout', 'copy', 'revenue'], owners: ['checkout@shop.example', 'marketing@shop.example'] }))
})

import { describe, expect, test } from 'vitest'
import { expiryOf, isLive, ordered, rolesUpTo, stateOf, type Token } from './state'

const now = Date.parse('2026-11-25T12:00:00Z')
const token = (over: Partial<Token>): Token => ({ id: 'a', name: 'a', kind: 'server', ...over })

describe('stateOf', () => {
  test.each<[string, Partial<Token>, string]>([
    ['without an end', {}, 'live'],
    ['with a far end', { expires: '2027-11-25T12:00:00Z' }, 'live'],
    ['a week before the end', { expires: '2026-12-02T12:00:00Z' }, 'ending'],
    ['just before that', { expires: '2026-12-02T12:00:01Z' }, 'live'],
    ['at the end', { expires: '2026-11-25T12:00:00Z' }, 'expired'],
    ['after the end', { expires: '2026-11-01T12:00:00Z' }, 'expired'],
    ['revoked', { revokedAt: '2026-11-25T11:00:00Z' }, 'revoked'],
    ['revoked and expired', { revokedAt: '2026-11-01T11:00:00Z', expires: '2026-11-02T12:00:00Z' }, 'revoked'],
  ])('%s', (_, over, want) => {
    expect(stateOf(token(over), now)).toBe(want)
    expect(isLive(token(over), now)).toBe(want === 'live' || want === 'ending')
  })
})

test('live ones come first, the newest of them at the top', () => {
  const all = [
    token({ id: '1', createdAt: '2026-01-01T00:00:00Z' }),
    token({ id: '2', createdAt: '2026-03-01T00:00:00Z', revokedAt: '2026-03-02T00:00:00Z' }),
    token({ id: '3', createdAt: '2026-02-01T00:00:00Z' }),
  ]
  const { live, gone } = ordered(all, now)
  expect(live.map((t) => t.id)).toEqual(['3', '1'])
  expect(gone.map((t) => t.id)).toEqual(['2'])
})

test('nobody gives a role above his own', () => {
  expect(rolesUpTo('operator')).toEqual(['viewer', 'operator'])
  expect(rolesUpTo('admin')).toHaveLength(4)
  expect(rolesUpTo(undefined)).toEqual([])
})

test('an end', () => {
  expect(expiryOf('', '', now)).toBeUndefined()
  expect(expiryOf('30', '', now)).toBe('2026-12-25T12:00:00.000Z')
  expect(expiryOf('at', 'nonsense', now)).toBeUndefined()
  expect(Date.parse(expiryOf('at', '2026-12-01', now) ?? '')).toBe(new Date(2026, 11, 1, 23, 59, 59).getTime())
})

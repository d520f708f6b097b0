import { expect, test } from 'vitest'
import { byShard, shardOf } from './shard'

// Written by the server's own code.
test.each([
  ['a', 175],
  ['user-1', 170],
  ['user-12', 45],
  ['0123456789abcdef', 245],
  ['0123456789abcdef0', 247],
  ['ü', 161],
  ['user-17@example.com', 119],
  ['Zoë 🦊', 60],
  ['0123456789abcdef0123456789abcdef', 192],
  ['x', 213],
])('%s', (key, want) => expect(shardOf('a1b2c3d4e5f6', key)).toBe(want))

test('a hundred thousand keys', () => {
  let sum = 0
  for (let i = 0; i < 100_000; i++) sum = (sum * 31 + shardOf('zzzzzzzzzzzz', `user-${i}`)) % 1_000_003
  expect(sum).toBe(744_636)
})

test('keys of a shard stand together, and none is lost', () => {
  const keys = Array.from({ length: 5000 }, (_, i) => `k${i}`)
  const sorted = byShard('a1b2c3d4e5f6', keys)
  expect(sorted.toSorted()).toEqual(keys.toSorted())
  const shards = sorted.map((k) => shardOf('a1b2c3d4e5f6', k))
  expect(shards).toEqual(shards.toSorted((a, b) => a - b))
})

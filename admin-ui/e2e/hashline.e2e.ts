import { describe, expect, test } from 'vitest'
import { compare, laidOut, lineAt } from '../src/lib/hashline'
import { type Flag, type Targeting, authored, defaultRule } from '../src/lib/model'
import { buckets, toPercent } from '../src/lib/percent'
import { stage } from './browser'

const on = stage()
const place = '/v1/projects/shop/flags/split/environments/production'

/** Numbers below n that come the same each time. */
function numbers(seed: number): (n: number) => number {
  let s = seed
  return (n) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return Math.floor((s / 2 ** 32) * n)
  }
}

describe('the hash line', () => {
  // The page draws and counts for itself while somebody drags. That has to be what the server would do, edit after edit, to the bucket.
  test('is reckoned in the browser as on the server', async () => {
    const server = await on.server()
    const keys = ['off', 'a', 'b', 'c', 'd']
    await server.call('POST', '/v1/projects/shop/flags', { key: 'split', type: 'string', variants: keys.map((key) => ({ key, value: key })) })
    const flag: Flag = { key: 'split', type: 'string', variants: keys.map((key) => ({ key, value: key })) }
    const next = numbers(20261125)
    const weights = () => {
      const cuts = [0, ...keys.slice(2).map(() => next(buckets + 1)), buckets].sort((x, y) => x - y)
      return Object.fromEntries(keys.slice(1).map((key, i) => [key, toPercent((cuts[i + 1] ?? 0) - (cuts[i] ?? 0))]))
    }
    const edit = (t: Targeting): Targeting => {
      const exposure = toPercent(next(buckets + 1))
      const kept = t.default.distribution?.weights
      return { ...authored(t), enabled: true, default: { distribution: { exposure, weights: next(4) === 0 && kept ? kept : weights(), ...(next(2) ? { otherwise: keys[next(5)] } : {}) } } }
    }
    let now = await server.call<Targeting>('GET', place)
    for (let round = 0; round < 40; round++) {
      const after = edit(now)
      const laid = laidOut(flag, now, after)
      const told = await server.call<{ distributions: { rule: string; enter: number; leave: number; switch: number; variants: { from: string; to: string; share: number }[] }[] }>('POST', `${place}/preview`, { targeting: authored(after) })
      const shift = told.distributions.find((d) => d.rule === defaultRule)
      const [x, y] = [lineAt(now, defaultRule), lineAt(laid, defaultRule)]
      if (!x || !y) throw new Error('the default has no line')
      const own = compare(x, y)
      expect({ enter: own.enter, leave: own.leave, switch: own.switch, moves: own.moves }).toEqual({
        enter: shift?.enter, leave: shift?.leave, switch: shift?.switch, moves: shift?.variants.map(({ from, to, share }) => ({ from, to, share })),
      })
      await server.call('PUT', place, authored(after), { 'If-Match': '*' })
      now = await server.call<Targeting>('GET', place)
      expect(bare(laid)).toEqual(bare(now))
    }
  })
})

const bare = (t: Targeting) => t.default.distribution?.ranges?.map((r) => `${r.variant} ${r.from}-${r.to}`)

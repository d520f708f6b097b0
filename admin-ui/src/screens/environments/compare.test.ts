import { describe, expect, test } from 'vitest'
import type { Targeting } from '../../lib/model'
import { copied, differences, each, formatPair, parsePair } from './compare'

const base: Targeting = {
  enabled: true,
  off: 'off',
  rules: [
    { id: 'r1', when: { attribute: 'plan', op: 'in', values: ['pro'] }, serve: { variant: 'on' } },
    { id: 'r2', when: { segment: 'beta' }, serve: { distribution: { exposure: 25, weights: { on: 100 } } } },
  ],
  default: { distribution: { exposure: 10, weights: { on: 100 }, otherwise: 'off' } },
  version: 7,
  updatedAt: '2026-11-25T12:00:00Z',
}

describe('differences', () => {
  test.each<[string, Partial<Targeting>, string[]]>([
    ['nothing', {}, []],
    ['what the server owns', { version: 9, updatedAt: '2026-11-26T12:00:00Z', lines: { r9: [{ variant: 'on', from: 0, to: 100_000 }] } }, []],
    ['rule ids', { rules: base.rules?.map((r) => ({ ...r, id: `x${r.id}` })) }, []],
    ['ranges and hash of a distribution', { default: { distribution: { ...base.default.distribution!, hash: 'h1', ranges: [{ variant: 'on', from: 0, to: 100_000, seq: 3 }] } } }, []],
    ['an empty list is none', { prerequisites: [] }, []],
    ['on and off', { enabled: false }, ['switch']],
    ['the off variant', { off: 'control' }, ['off']],
    ['a prerequisite', { prerequisites: [{ flag: 'a', variants: ['on'] }] }, ['prerequisites']],
    ['the order of rules', { rules: base.rules?.toReversed() }, ['rules']],
    ['a value of a clause', { rules: [{ ...base.rules![0]!, when: { attribute: 'plan', op: 'in', values: ['free'] } }, base.rules![1]!] }, ['rules']],
    ['the exposure', { default: { distribution: { ...base.default.distribution!, exposure: 10.001 } } }, ['default']],
    ['several', { enabled: false, rules: [], default: { variant: 'on' } }, ['switch', 'rules', 'default']],
  ])('%s', (_, other, want) => {
    expect(differences(base, { ...base, ...other })).toEqual(want)
    expect(differences({ ...base, ...other }, base)).toEqual(want)
  })
})

describe('copied', () => {
  const to: Targeting = { enabled: false, off: 'off', rules: [{ id: 'z', when: { segment: 'beta' }, serve: { distribution: { exposure: 25, weights: { on: 100 } } } }], default: { variant: 'off' }, version: 3 }

  test('afterwards both behave the same, and nothing that the server owns is sent', () => {
    const got = copied(base, to, { keepSwitch: false })
    expect(differences(base, got)).toEqual([])
    expect(got).not.toHaveProperty('version')
    expect(got).not.toHaveProperty('updatedAt')
  })
  test('on or off can stay', () => {
    expect(copied(base, to, { keepSwitch: true }).enabled).toBe(false)
    expect(differences(base, copied(base, to, { keepSwitch: true }))).toEqual(['switch'])
  })
  test('the same rule under another id keeps that id, and with it its people', () => {
    expect(copied(base, to, { keepSwitch: true }).rules?.map((r) => r.id)).toEqual(['r1', 'z'])
  })
  test('a rule under the same id keeps it even when it says something else', () => {
    expect(copied(base, { ...to, rules: [{ id: 'r2', serve: { variant: 'off' } }] }, { keepSwitch: true }).rules?.map((r) => r.id)).toEqual(['r1', 'r2'])
  })
  test('no id is there twice', () => {
    const twin = { when: { segment: 'beta' } as const, serve: { variant: 'on' } }
    const got = copied(
      { ...base, rules: [{ id: 'a', ...twin }, { id: 'b', ...twin }, { id: 'c', ...twin }] },
      { ...to, rules: [{ id: 'x', ...twin }, { id: 'a', ...twin }] },
      { keepSwitch: true },
    )
    expect(got.rules?.map((r) => r.id)).toEqual(['a', 'x', 'c'])
  })
  test('copying what is the same changes nothing', () => {
    expect(copied(base, base, { keepSwitch: false }).rules).toEqual(base.rules)
  })
})

describe('parsePair', () => {
  test.each([
    ['staging..production', ['staging', 'production']],
    ['a.b..c.d', ['a.b', 'c.d']],
    ['staging..staging', undefined],
    ['staging', undefined],
    ['..production', undefined],
    ['<b>..production', undefined],
    [undefined, undefined],
  ])('%s', (text, want) => {
    expect(parsePair(text)).toEqual(want)
    if (want) expect(parsePair(formatPair(want[0]!, want[1]!))).toEqual(want)
  })
})

describe('each', () => {
  test('does everything, never more at once than allowed', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    await each([...Array(20).keys()], 3, undefined, async (n) => {
      most = Math.max(most, ++running)
      await Promise.resolve()
      running--
      done.push(n)
    })
    expect(most).toBe(3)
    expect(done.toSorted((a, b) => a - b)).toEqual([...Array(20).keys()])
  })
  test('stops when told', async () => {
    const stop = new AbortController()
    let n = 0
    await expect(each([...Array(20).keys()], 2, stop.signal, async () => { if (++n === 4) stop.abort() })).rejects.toThrow()
    expect(n).toBeLessThan(7)
  })
  test('tells a failure', async () => {
    await expect(each([1, 2], 2, undefined, async () => { throw new Error('no') })).rejects.toThrow('no')
  })
})

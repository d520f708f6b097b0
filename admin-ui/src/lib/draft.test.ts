import { describe, expect, test } from 'vitest'
import { below, dirty, exposed, moved, newDistribution, ownPointers, problemsOf, saveOf, weightsLeft } from './draft'
import type { Targeting } from './model'

const base: Targeting = {
  enabled: true,
  off: 'off',
  rules: [{ id: 'r1', when: { segment: 'beta' }, serve: { distribution: { exposure: 10, weights: { on: 100 } } } }],
  default: { distribution: { exposure: 25, weights: { on: 100 }, otherwise: 'off', ranges: [{ variant: 'on', from: 0, to: 100_000 }] } },
  version: 7,
}
const off = { ...base, enabled: false }

describe('how a draft is saved', () => {
  test('one exposure alone is a ramp', () => {
    expect(saveOf(base, exposed(base, base, 'default', 50))).toEqual({ kind: 'ramp', rule: 'default', exposure: 50, from: 25 })
    expect(saveOf(base, exposed(base, base, 'r1', 0))).toEqual({ kind: 'ramp', rule: 'r1', exposure: 0, from: 10 })
  })
  test('on a flag that is off it turns it on as well', () => {
    const draft = exposed(off, off, 'default', 30)
    expect(draft.enabled).toBe(true)
    expect(saveOf(off, draft)).toEqual({ kind: 'ramp', rule: 'default', exposure: 30, from: 25 })
    expect(dirty(off, exposed(off, draft, 'default', 25))).toBe(false)
  })
  test('an exposure that is to be kept for later is no ramp', () => expect(saveOf(off, { ...exposed(off, off, 'default', 30), enabled: false })).toEqual({ kind: 'put' }))
  test('two exposures, or anything more, is a new targeting', () => {
    expect(saveOf(base, exposed(base, exposed(base, base, 'r1', 20), 'default', 50))).toEqual({ kind: 'put' })
    expect(saveOf(base, { ...exposed(base, base, 'default', 50), off: 'on' })).toEqual({ kind: 'put' })
    expect(saveOf(base, { ...exposed(base, base, 'default', 50), enabled: false })).toEqual({ kind: 'put' })
  })
  test('the switch alone', () => {
    expect(saveOf(base, off)).toEqual({ kind: 'turn', on: false })
    expect(saveOf(off, base)).toEqual({ kind: 'turn', on: true })
  })
  test('a place that serves one variant has no knob', () => expect(exposed(base, { ...base, default: { variant: 'on' } }, 'default', 5).default).toEqual({ variant: 'on' }))
  test('what the server keeps is no change', () => expect(dirty(base, { ...base, version: 8, lines: {}, default: { distribution: { ...base.default.distribution, exposure: 25, ranges: [] } } })).toBe(false))
})

describe('what is wrong', () => {
  test('nothing', () => expect(problemsOf(base)).toEqual({}))
  test('each place by its pointer', () => {
    expect(
      Object.keys(
        problemsOf({
          ...base,
          prerequisites: [{ flag: '', variants: [] }, { flag: 'a', variants: [] }],
          rules: [
            { id: 'r1', when: { all: [{ segment: '' }, { not: { any: [{ attribute: '', op: 'in', values: [] }, { flag: '', variants: [] }, { flag: 'x', variants: [] }] } }] }, serve: {} },
            { id: 'r2', serve: { distribution: { exposure: 5, weights: { on: 60 }, bucketBy: [''] } } },
          ],
          default: { distribution: { exposure: 5, weights: { on: 60.001, off: 40 } } },
        }),
      ),
    ).toEqual([
      '/prerequisites/0/flag', '/prerequisites/1/variants', '/rules/0/when/all/0/segment', '/rules/0/when/all/1/not/any/0/attribute', '/rules/0/when/all/1/not/any/0/values',
      '/rules/0/when/all/1/not/any/1/flag', '/rules/0/when/all/1/not/any/2/variants', '/rules/0/serve/variant', '/rules/1/serve/distribution/weights',
      '/rules/1/serve/distribution/bucketBy', '/default/distribution/weights',
    ])
  })
  test('weights are summed in buckets', () => {
    expect(weightsLeft({ exposure: 1, weights: { a: 33.333, b: 33.333, c: 33.334 } })).toBe(0)
    expect(weightsLeft({ exposure: 1, weights: { a: 0.1, b: 0.2 } })).toBe(99_700)
    expect(problemsOf({ ...base, default: { distribution: { exposure: 5, weights: { on: 60.001, off: 40 } } } })).toEqual({ '/default/distribution/weights': '0.001 % too much' })
  })
  test('below a pointer', () => {
    expect(below({ '/rules/1': 'a', '/rules/1/when': 'b', '/rules/10': 'c', '/default': 'd' }, '/rules/1')).toEqual({ '': 'a', '/when': 'b' })
    expect(ownPointers({ '/targeting/off': 'x', '/targeting': 'y', '/targetings': 'z' })).toEqual({ '/off': 'x', '': 'y', '/targetings': 'z' })
  })
})

test('moving', () => {
  expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a'])
  expect(moved(['a', 'b', 'c'], 2, -1)).toEqual(['c', 'a', 'b'])
  expect(moved(['a'], 5, 0)).toEqual(['a'])
})

test('a new distribution exposes nobody and splits evenly', () => {
  expect(newDistribution(['a', 'b', 'c'], 'off')).toEqual({ exposure: 0, weights: { a: 33.334, b: 33.333, c: 33.333 }, otherwise: 'off' })
  expect(newDistribution(['on'], undefined)).toEqual({ exposure: 0, weights: { on: 100 } })
})

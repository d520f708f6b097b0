import { describe, expect, test } from 'vitest'
import { buckets, evenly, formatBuckets, formatPercent, formatShare, pairs, parsePercent, stepped, toBuckets, toPercent } from './percent'

describe('percent and buckets', () => {
  test('every bucket goes to JSON and back unharmed, and is written as its decimal', () => {
    for (let n = 0; n <= buckets; n++) {
      const json = JSON.stringify(toPercent(n))
      if (toBuckets(Number(JSON.parse(json))) !== n || json !== formatBuckets(n)) {
        expect({ n, json, text: formatBuckets(n) }).toEqual({ n, json: formatBuckets(n), text: json })
      }
      const read = parsePercent(formatBuckets(n))
      if (!read.ok || read.value !== n) expect(read).toEqual({ ok: true, value: n })
    }
  })

  test.each([
    [0, '0'],
    [1, '0.001'],
    [10, '0.01'],
    [12_500, '12.5'],
    [33_333, '33.333'],
    [100_000, '100'],
    [-500, '−0.5'],
  ])('%d buckets are %s %%', (n, text) => expect(formatBuckets(n)).toBe(text))

  test.each([
    [0, '0'],
    [1, '0.00000001'],
    [625_000_00, '0.625'],
    [pairs, '100'],
    [pairs - 1, '99.99999999'],
    [12_345 * 33_333, '4.11495885'],
  ])('%d pairs are %s %%', (n, text) => expect(formatShare(n)).toBe(text))

  test('of sums in floating point nothing is left over', () => expect(formatPercent(0.1 + 0.2)).toBe('0.3'))
})

describe('what a person types', () => {
  test.each([
    ['12.5', 12_500],
    ['12,5', 12_500],
    [' 12.5 % ', 12_500],
    ['0', 0],
    ['-0', 0],
    ['.5', 500],
    ['5.', 5000],
    ['0012.500000', 12_500],
    ['100.000', 100_000],
    ['0.001', 1],
    ['+3', 3000],
  ])('%j is %d buckets', (text, n) => expect(parsePercent(text)).toEqual({ ok: true, value: n }))

  test.each([
    ['', 'needed'],
    [' % ', 'needed'],
    ['.', 'not a number'],
    ['abc', 'not a number'],
    ['1e1', 'not a number'],
    ['1/3', 'not a number'],
    ['1.2.3', 'not a number'],
    ['12.5 % %', 'not a number'],
    ['-1', 'less than 0'],
    ['-0.001', 'less than 0'],
    ['100.001', 'more than 100'],
    ['1000', 'more than 100'],
    ['99999999999999999999', 'more than 100'],
    ['0.0001', 'finest'],
    ['33.3333', 'finest'],
  ])('%j is refused', (text, why) => expect(parsePercent(text)).toEqual({ ok: false, error: expect.stringContaining(why) }))
})

describe('keys of a slider', () => {
  const none = { shift: false, alt: false, ctrl: false }
  test.each([
    ['ArrowRight', none, 13_500],
    ['ArrowUp', none, 13_500],
    ['ArrowLeft', none, 11_500],
    ['ArrowDown', { ...none, shift: true }, 2500],
    ['ArrowRight', { ...none, shift: true }, 22_500],
    ['ArrowRight', { ...none, alt: true }, 12_501],
    ['ArrowLeft', { ...none, ctrl: true }, 12_400],
    ['PageUp', none, 22_500],
    ['PageDown', none, 2500],
    ['Home', none, 0],
    ['End', none, 100_000],
    ['a', none, undefined],
  ])('%s %j', (key, mods, want) => expect(stepped(12_500, key, mods)).toBe(want))

  test('it stops at the ends', () => {
    expect(stepped(99_900, 'ArrowRight', none)).toBe(100_000)
    expect(stepped(5000, 'PageDown', none)).toBe(0)
  })
})

test('an even split loses nothing', () => {
  expect(evenly(3)).toEqual([33_334, 33_333, 33_333])
  for (let n = 1; n <= 100; n++) expect(evenly(n).reduce((a, b) => a + b)).toBe(buckets)
})

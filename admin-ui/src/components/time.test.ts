import { describe, expect, it } from 'vitest'
import { ago, count, plural } from './time'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

describe('ago', () => {
  it.each([
    [0, 'just now'],
    [-3 * second, 'just now'], // a clock that runs ahead
    [4.4 * second, 'just now'],
    [5 * second, '5 s ago'],
    [59 * second, '59 s ago'],
    [60 * second, '1 min ago'],
    [59 * minute + 59 * second, '59 min ago'],
    [hour, '1 h ago'],
    [23 * hour + 59 * minute, '23 h ago'],
    [day, '1 day ago'],
    [59 * day, '59 days ago'],
    [61 * day, '2 months ago'],
    [800 * day, '2 years ago'],
  ])('%d ms is %s', (before, words) => expect(ago(1e12 - before, 1e12)).toBe(words))
  it('is short in a cell', () => expect([ago(0, 1000, true), ago(0, 3 * minute, true)]).toEqual(['now', '3 min']))
})

describe('numbers', () => {
  it('have separators', () => expect(count(1207)).toBe('1,207'))
  it('agree with their noun', () => expect([plural(1, 'flag'), plural(1207, 'flag'), plural(0, 'entry', 'entries')]).toEqual(['1 flag', '1,207 flags', '0 entries']))
})

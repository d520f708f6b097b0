import { describe, expect, it } from 'vitest'
import { codeOf, safeNext, tokenError } from './next'

describe('safeNext', () => {
  it.each([
    [undefined, '/'],
    ['/p/shop/flags?q=a#x', '/p/shop/flags?q=a#x'],
    ['//evil.example/x', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example', '/'],
    ['javascript:alert(1)', '/'],
    ['/\t/evil.example', '/'],
    ['/signin?next=/signin', '/'],
    ['p/shop', '/'],
  ])('%j leads to %s', (next, want) => expect(safeNext(next)).toBe(want))
})

describe('codeOf', () => {
  it.each([
    ['#code=abc', 'abc'],
    ['#x=1&code=a%2Bb', 'a+b'],
    ['#code=', undefined],
    ['', undefined],
  ])('of %j is %s', (hash, want) => expect(codeOf(hash)).toBe(want))
})

describe('tokenError', () => {
  it.each(['', 'd', 'dm', 'dma', 'dma_', 'dma_abc'])('has nothing to say of %j', (token) => expect(tokenError(token)).toBeUndefined())
  it.each(['dms_a', 'dmc_a', 'dmk_a', 'x', 'dmx'])('says what is wrong with %j', (token) => expect(tokenError(token)).toMatch(/dma_/))
})

import { describe, expect, it } from 'vitest'
import { best, fitting, parseCommand, rank } from './commands'

describe('parseCommand', () => {
  it.each([
    ['kill new-checkout in production', { verb: 'kill', flag: 'new-checkout', environment: 'production' }],
    ['  KILL  new-checkout   in prod', { verb: 'kill', flag: 'new-checkout', environment: 'prod' }],
    ['kill', { verb: 'kill', flag: '' }],
    ['kill new-checkout in', { verb: 'kill', flag: 'new-checkout' }],
    ['kill new-checkout -e staging', { verb: 'kill', flag: 'new-checkout', environment: 'staging' }],
    ['ramp new-checkout 25 % in staging', { verb: 'ramp', flag: 'new-checkout', percent: '25', environment: 'staging' }],
    ['ramp new-checkout 12.5% in staging', { verb: 'ramp', flag: 'new-checkout', percent: '12.5', environment: 'staging' }],
    ['ramp new-checkout to 12,5', { verb: 'ramp', flag: 'new-checkout', percent: '12,5' }],
    ['ramp new-checkout to', { verb: 'ramp', flag: 'new-checkout' }],
    ['ramp v2', { verb: 'ramp', flag: 'v2' }],
    ['turn off banner in qa', { verb: 'off', flag: 'banner', environment: 'qa' }],
    ['on banner', { verb: 'on', flag: 'banner' }],
    ['one-click', { flag: 'one-click' }],
    ['killer-feature', { flag: 'killer-feature' }],
    ['opt in banner', { flag: 'opt in banner' }],
    ['', { flag: '' }],
  ])('%j', (input, want) => expect(parseCommand(input)).toEqual({ verb: undefined, percent: undefined, environment: undefined, ...want }))
})

describe('rank', () => {
  it('puts the whole before its beginning, before a word, before a part, before letters', () => {
    const scores = ['checkout', 'checkout-button', 'new-checkout', 'recheckout', 'c-h-e-c-k-o-u-t'].map((key) => rank(key, '', 'checkout'))
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    expect(new Set(scores).size).toBe(scores.length)
  })
  it('finds words in any order, in the name too', () => expect([rank('new-checkout', '', 'check new'), rank('x1', 'New checkout', 'new che')]).toEqual([60, 60]))
  it('finds nothing where there is nothing', () => expect(rank('banner', 'Banner', 'check')).toBe(0))
})

describe('best', () => {
  it('is in order and bounded', () =>
    expect(best([{ key: 'z-pay' }, { key: 'pay' }, { key: 'pay-later' }, { key: 'banner' }], 'pay', 2).map((each) => each.key)).toEqual(['pay', 'pay-later']))
})

describe('fitting', () => {
  const all = [{ key: 'development' }, { key: 'staging' }, { key: 'production', production: true }]
  const keys = (typed: string | undefined, verb: 'kill' | 'ramp') => fitting(all, typed, verb).map((each) => each.key)
  it('puts production first for a kill', () => expect(keys(undefined, 'kill')).toEqual(['production', 'development', 'staging']))
  it('and last for the rest', () => expect(keys(undefined, 'ramp')).toEqual(['development', 'staging', 'production']))
  it('takes a beginning', () => expect(keys('st', 'ramp')).toEqual(['staging']))
  it('finds none that was not meant', () => expect(keys('qa', 'kill')).toEqual([]))
})

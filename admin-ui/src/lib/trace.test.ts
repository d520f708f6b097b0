import { describe, expect, it } from 'vitest'
import { type TraceClause, clauseWhy, distributionWhy, resultText, servesText } from './trace'

const clause = (more: Partial<TraceClause>): TraceClause => ({ attribute: 'groups', op: 'in', why: 'noMatch', ...more })
const candidates = (n: number, match = -1) => Array.from({ length: n }, (_, i) => ({ value: `g${i}`, usable: true, match: i === match }))

describe('clauseWhy', () => {
  it.each<[string, TraceClause, string]>([
    ['a few', clause({ candidates: candidates(2) }), 'groups is g0, g1'],
    ['many', clause({ candidates: candidates(9) }), 'groups is g0, g1, g2, g3 and 5 more'],
    ['many, and the one that matches among the hidden', clause({ why: 'match', candidates: candidates(9, 7) }), 'groups is g0, g1, g2, g7 and 5 more'],
    ['nothing to compare', clause({ why: 'unusable' }), 'groups is empty'],
    ['nothing told of it', clause({ why: 'unusable', truncated: true }), 'groups is something that there was no room to tell, which in cannot compare; such a clause is never true'],
    ['told in part', clause({ candidates: candidates(1), truncated: true }), 'groups is g0 and perhaps more that there was no room to tell'],
    ['too long', clause({ candidates: [{ value: null, usable: true, match: false, truncated: true }] }), 'groups is something too long to tell'],
  ])('%s', (_, c, want) => {
    expect(clauseWhy(c)).toBe(want)
  })
})

describe('a result that is told in part', () => {
  it('does not claim that nothing was served', () => {
    expect(servesText({ reason: 'TARGETING_MATCH', truncated: true })).toBe('a variant that there was no room to tell')
    expect(servesText({ reason: 'ERROR', error: 'GENERAL', truncated: true })).toBe('nothing')
    expect(servesText({ reason: 'STATIC', variant: 'on', truncated: true })).toBe('on')
  })

  it('does not claim that everyone else decided', () => {
    expect(resultText({ reason: 'TARGETING_MATCH', cause: 'rule', truncated: true })).toBe('a rule decides')
    expect(resultText({ reason: 'SPLIT', cause: 'unexposed', truncated: true })).not.toContain('everyone else decides')
    expect(resultText({ reason: 'SPLIT', cause: 'unexposed', variant: 'off', truncated: true })).toContain('everyone else decides')
  })
})

it('does not call an attribute missing whose value is untold', () => {
  const d = { exposure: 50_000, exposed: false, keyless: true, bucketBy: [{ attribute: 'tags', truncated: true }] }
  expect(distributionWhy(d)).toEqual(['tags is too long to tell, and is no key', 'without a key nobody is exposed'])
})

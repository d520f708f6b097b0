import { describe, expect, it } from 'vitest'
import { staleAfter } from './stale'

const entry = (target: string, ...documents: string[]) => ({
  revision: 3,
  epoch: 1,
  at: '2026-11-25T17:23:44Z',
  actor: 'token:a',
  verb: 'kill',
  target,
  changes: documents.map((document) => ({ document })),
})
const always = [['log'], ['instances']]

describe('staleAfter', () => {
  it('names the flag that was ramped', () =>
    expect(staleAfter(entry('flag/new-checkout@production', 'targeting/production/new-checkout'))).toEqual({
      flags: ['new-checkout'],
      keys: [...always, ['targeting', 'new-checkout', 'production']],
    }))
  it('finds the flag of a kill in its target', () =>
    expect(staleAfter(entry('flag/new-checkout@staging', 'kill/staging/01M8'))).toEqual({
      flags: ['new-checkout'],
      keys: [...always, ['kills', 'new-checkout'], ['targeting', 'new-checkout']],
    }))
  it('names a flag once', () => expect(staleAfter(entry('flag/a', 'flag/a', 'targeting/x/a', 'targeting/y/a'))?.flags).toEqual(['a']))
  it('knows segments', () => expect(staleAfter(entry('segment/beta', 'segment/beta'))).toEqual({ flags: [], keys: [...always, ['segments'], ['segment']] }))
  it.each([
    ['a kill by tag', entry('tag/pay@production', 'kill/production/01M8')],
    ['an environment', entry('environment/qa', 'environment/qa', 'targeting/qa/a')],
    ['what does not exist yet', entry('thing/x', 'thing/x')],
    ['a change without documents', entry('project/shop')],
  ])('%s makes everything stale', (_, given) => expect(staleAfter(given)).toBeUndefined())
})

import { describe, expect, it } from 'vitest'
import { staleAfter } from './stale'

const change = (kind: string, key: string, environment?: string) => ({ kind, key, environment })
const always = [['log'], ['instances']]

describe('staleAfter', () => {
  it('names the flag that was ramped', () =>
    expect(staleAfter({ changes: [change('targeting', 'new-checkout', 'production')] })).toEqual({
      flags: ['new-checkout'],
      keys: [...always, ['flag', 'new-checkout'], ['targeting', 'new-checkout', 'production'], ['targetings', 'production']],
    }))
  it('names every flag that was killed by a tag', () =>
    expect(staleAfter({ changes: [change('kill', 'a', 'staging'), change('kill', 'b', 'staging')] })?.flags).toEqual(['a', 'b']))
  it('names everything once', () =>
    expect(staleAfter({ changes: [change('flag', 'a'), change('targeting', 'a', 'x'), change('targeting', 'a', 'y')] })).toEqual({
      flags: ['a'],
      keys: [...always, ['flag', 'a'], ['targeting', 'a', 'x'], ['targetings', 'x'], ['targeting', 'a', 'y'], ['targetings', 'y']],
    }))
  it('knows segments, their lists and tokens', () =>
    expect(staleAfter({ changes: [change('segment', 'beta'), change('segmentEnvironment', 'beta', 'x'), change('token', 't')] })).toEqual({
      flags: [],
      keys: [...always, ['segments'], ['segment', 'beta'], ['tokens']],
    }))
  it.each([
    ['an environment', { changes: [change('environment', 'qa'), change('targeting', 'a', 'qa')] }],
    ['what does not exist yet', { changes: [change('thing', 'x')] }],
    ['a change without documents', {}],
    ['a change that is told in part', { changes: [change('flag', 'a')], truncated: true }],
  ])('%s makes everything stale', (_, given) => expect(staleAfter(given)).toBeUndefined())
})

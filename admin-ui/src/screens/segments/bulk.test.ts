import { describe, expect, test } from 'vitest'
import { ProblemError } from '../../api/problem'
import { type Progress, sendAll } from './bulk'

const problem = (status: number) => new ProblemError({ type: '', title: 't', status, code: 'c', id: '' })

function world(answers: (undefined | number)[], chunks = [['a', 'b'], ['c'], ['d', 'e', 'f']]) {
  const sent: string[] = []
  const told: Progress[] = []
  const waits: number[] = []
  return {
    sent,
    told,
    waits,
    bulk: {
      chunks,
      send: async (keys: readonly string[]) => {
        sent.push(keys.join(''))
        const status = answers.shift()
        if (status !== undefined) throw problem(status)
      },
      told: (p: Progress) => void told.push(p),
      wait: async (ms: number) => void waits.push(ms),
    },
  }
}

const go = new AbortController().signal

describe('sendAll', () => {
  test('one after the other, and tells how far it is', async () => {
    const w = world([])
    await sendAll(w.bulk, 0, go)
    expect(w.sent).toEqual(['ab', 'c', 'def'])
    expect(w.told).toEqual([{ chunks: 1, keys: 2 }, { chunks: 2, keys: 3 }, { chunks: 3, keys: 6 }])
  })
  test('what passes is tried again, later each time', async () => {
    const w = world([undefined, 429, 503, 0])
    await sendAll(w.bulk, 0, go)
    expect(w.sent).toEqual(['ab', 'c', 'c', 'c', 'c', 'def'])
    expect(w.waits).toEqual([500, 1000, 2000])
  })
  test('but not for ever', async () => {
    const w = world(Array(20).fill(503))
    await expect(sendAll(w.bulk, 0, go)).rejects.toThrow('t')
    expect(w.sent).toHaveLength(6)
    expect(w.told).toEqual([])
  })
  test('a refusal ends it at once, and it goes on from there', async () => {
    const w = world([undefined, 413])
    await expect(sendAll(w.bulk, 0, go)).rejects.toThrow('t')
    expect(w.sent).toEqual(['ab', 'c'])
    expect(w.told.at(-1)).toEqual({ chunks: 1, keys: 2 })
    await sendAll(w.bulk, 1, go)
    expect(w.sent).toEqual(['ab', 'c', 'c', 'def'])
    expect(w.told.at(-1)).toEqual({ chunks: 3, keys: 6 })
  })
  test('stopping sends nothing more', async () => {
    const stop = new AbortController()
    const w = world([])
    w.bulk.told = () => {
      stop.abort()
      return undefined
    }
    await expect(sendAll(w.bulk, 0, stop.signal)).rejects.toThrow()
    expect(w.sent).toEqual(['ab'])
  })
})

import { describe, expect, test } from 'vitest'
import type { Schemas } from './client'
import { type LogPages, prepend } from './log'

const entry = (revision: number): Schemas['LogEntry'] => ({ revision, epoch: 1, at: '2026-11-25T12:00:00Z', actor: 'a', verb: 'kill', target: 'flag/a@b', changes: [] })
const page = (revisions: number[], next?: string): Schemas['LogPage'] => ({ items: revisions.map(entry), ...(next ? { next } : {}) })
const list = (...pages: Schemas['LogPage'][]): LogPages => ({ pages, pageParams: pages.map(String) })
const revisions = (l: LogPages | undefined) => l?.pages.map((p) => p.items.map((e) => e.revision))

describe('prepend', () => {
  const old = list(page([9, 7], '7'), page([5, 2]))
  test.each<[string, LogPages, Schemas['LogPage'], number[][] | undefined]>([
    ['nothing new', old, page([9, 7], '7'), [[9, 7], [5, 2]]],
    ['one more', old, page([11, 9], '9'), [[11, 9, 7], [5, 2]]],
    ['several more', old, page([15, 12, 11, 9], '9'), [[15, 12, 11, 9, 7], [5, 2]]],
    ['so many that some may be between', old, page([15, 12], '12'), undefined],
    ['all new, and nothing older than that', list(page([])), page([3, 1]), [[3, 1]]],
    ['a first page that the filter left empty', list(page([], '4000'), page([9])), page([11, 9]), [[11], [9]]],
    ['nothing at all', old, page([]), [[9, 7], [5, 2]]],
    ['an older answer that comes late', old, page([7, 5]), [[9, 7], [5, 2]]],
  ])('%s', (_, before, newest, want) => expect(revisions(prepend(before, newest))).toEqual(want))

  test('a list does not grow for ever', () => {
    const long = list(page(Array.from({ length: 499 }, (_, i) => 1000 - i)))
    expect(revisions(prepend(long, page([1001, 1000], '1000')))?.[0]).toHaveLength(500)
    expect(prepend(long, page([1002, 1001, 1000], '1000'))).toBeUndefined()
  })
  test('the list is the same object when nothing is new', () => expect(prepend(old, page([9, 7], '7'))).toBe(old))
})

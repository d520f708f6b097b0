import { QueryClient } from '@tanstack/react-query'
import { describe, expect, it, vi } from 'vitest'
import { type FlagState, refreshFlags, replaceFlag } from './flags'
import { client } from './client'
import { keys } from './queries'

const flag = (key: string, state: 'off' | 'on' = 'off'): FlagState => ({ flag: { key, type: 'boolean' }, environments: { production: { state } } })
const pages = (...lists: string[][]) => ({
  pages: lists.map((list, n) => ({ items: list.map((key) => flag(key)), next: n < lists.length - 1 ? `after${n}` : undefined })),
  pageParams: lists.map((_, n) => `${n}`),
})
const shown = (data: ReturnType<typeof pages>) => data.pages.map((page) => page.items.map((each) => each.flag.key + (each.environments.production?.state === 'on' ? '!' : '')))

describe('replaceFlag', () => {
  const data = pages(['b', 'd'], ['f', 'h'])
  it.each([
    ['changes one in its place', 'f', flag('f', 'on'), [['b', 'd'], ['f!', 'h']]],
    ['takes one away', 'd', undefined, [['b'], ['f', 'h']]],
    ['puts a new one first', 'a', flag('a'), [['a', 'b', 'd'], ['f', 'h']]],
    ['puts a new one between', 'c', flag('c'), [['b', 'c', 'd'], ['f', 'h']]],
    ['puts one between two pages into the later', 'e', flag('e'), [['b', 'd'], ['e', 'f', 'h']]],
    ['puts a new one last', 'z', flag('z'), [['b', 'd'], ['f', 'h', 'z']]],
    ['does nothing for one that is not there', 'x', undefined, [['b', 'd'], ['f', 'h']]],
  ])('%s', (_, key, now, want) => expect(shown(replaceFlag(data, key, now) as ReturnType<typeof pages>)).toEqual(want))
  it('leaves one beyond the pages that are loaded to them', () => {
    const partly = { ...data, pages: data.pages.map((page) => ({ ...page, next: 'more' })) }
    expect(replaceFlag(partly, 'z', flag('z'))).toBe(partly)
  })
  it('keeps the identity of what it does not touch', () => expect(replaceFlag(data, 'b', flag('b', 'on')).pages[1]).toBe(data.pages[1]))
  it('fills an empty list', () => expect(shown(replaceFlag(pages([]), 'a', flag('a')) as ReturnType<typeof pages>)).toEqual([['a']]))
})

describe('refreshFlags', () => {
  it('shows the answer to the later request, whichever comes first', async () => {
    const queries = new QueryClient()
    const key = keys.flags('shop')
    queries.setQueryData(key, pages(['a'], ['b']))
    const answers: ((state: 'on' | 'off') => void)[] = []
    const get = vi.spyOn(client, 'GET').mockImplementation((() =>
      new Promise((answer) => answers.push((state) => answer({ data: { items: [flag('a', state)] }, response: new Response() })))) as unknown as typeof client.GET)
    const loads = [refreshFlags(queries, 'shop', ['a']), refreshFlags(queries, 'shop', ['a'])]
    expect(answers).toHaveLength(2)
    answers[1]?.('on')
    answers[0]?.('off')
    await Promise.all(loads)
    expect(shown(queries.getQueryData(key) as ReturnType<typeof pages>)).toEqual([['a!'], ['b']])
    get.mockRestore()
  })
})

import { type InfiniteData, infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { LogFilter } from '../screens/log/entry'
import { type Schemas, ask, change, client, once } from './client'
import { keys } from './queries'
import { reasonQuery } from './reason'

const pageSize = 50

function page(project: string, filter: LogFilter, cursor: string | undefined, limit: number, signal: AbortSignal | undefined) {
  return ask(client.GET('/v1/projects/{project}/log', { params: { path: { project }, query: { ...filter, cursor, limit } }, signal }))
}

export type LogPages = InfiniteData<Schemas['LogPage'], unknown>

// The list's key is none that the event stream makes stale: it would read all of its pages again for each change. What is new comes by newestQuery.
const listKey = (project: string, filter: LogFilter) => ['p', project, 'entries', filter] as const

/** What was changed, newest first, without the documents. A page may be short and still have a next one. */
export function logQuery(project: string, filter: LogFilter) {
  return infiniteQueryOptions({
    queryKey: listKey(project, filter),
    queryFn: ({ signal, pageParam }) => page(project, filter, pageParam || undefined, pageSize, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
    staleTime: Infinity,
  })
}

/** The newest page, read again with every change that the event stream tells of. */
export function newestQuery(project: string, filter: LogFilter) {
  return queryOptions({
    queryKey: [...keys.log(project), 'newest', filter] as const,
    queryFn: ({ signal }) => page(project, filter, undefined, pageSize, signal),
    staleTime: 0,
  })
}

// A page that is open for days does not grow for days.
const longest = 500

/** Puts what is new before what was read. Undefined: there may be changes between the two, or there are too many, and the list has to be read anew. */
export function prepend(list: LogPages, newest: Schemas['LogPage']): LogPages | undefined {
  const top = Math.max(0, ...list.pages.flatMap((p) => p.items.slice(0, 1)).map((e) => e.revision))
  const fresh = newest.items.filter((e) => e.revision > top)
  if (fresh.length === 0) return list
  if (fresh.length === newest.items.length && newest.next) return undefined
  const [first, ...rest] = list.pages
  if (!first || first.items.length + fresh.length > longest) return undefined
  return { ...list, pages: [{ ...first, items: [...fresh, ...first.items] }, ...rest] }
}

/** Every entry that a filter means, page by page, for an export. */
export async function* everything(project: string, filter: LogFilter, signal: AbortSignal): AsyncGenerator<Schemas['LogEntry'][]> {
  let cursor: string | undefined
  do {
    const got = await page(project, filter, cursor, 1000, signal)
    yield got.items
    cursor = got.next || undefined
  } while (cursor)
}

/** One change with what was before and after; it never changes, so it is read once. */
export function entryQuery(project: string, revision: number) {
  return queryOptions({
    queryKey: ['p', project, 'entry', revision] as const,
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/log/{revision}', { params: { path: { project, revision } }, signal })),
    staleTime: Infinity,
  })
}

/** Brings documents back to what they were at a revision, as a new change. */
export function restore(project: string, revision: number, what: { flag?: string; environment?: string }, reason: string) {
  return change(
    client.POST('/v1/projects/{project}/log/{revision}/restore', {
      params: { path: { project, revision }, header: once() },
      body: { ...what, ...reasonQuery(reason) },
    }),
  )
}

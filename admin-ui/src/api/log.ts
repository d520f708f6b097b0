import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { LogFilter } from '../screens/log/entry'
import { type Schemas, ask, change, client, once } from './client'
import { keys } from './queries'
import { reasonQuery } from './reason'

const pageSize = 50

function page(project: string, filter: LogFilter, cursor: string | undefined, limit: number, signal: AbortSignal | undefined) {
  return ask(client.GET('/v1/projects/{project}/log', { params: { path: { project }, query: { ...filter, cursor, limit } }, signal }))
}

/** What was changed, newest first, without the documents. A page may be short and still have a next one. */
export function logQuery(project: string, filter: LogFilter) {
  return infiniteQueryOptions({
    queryKey: [...keys.log(project), 'list', filter] as const,
    queryFn: ({ signal, pageParam }) => page(project, filter, pageParam || undefined, pageSize, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
  })
}

/** The newest page, for what arrived since the list was read. */
export function newest(project: string, filter: LogFilter, signal?: AbortSignal) {
  return page(project, filter, undefined, pageSize, signal)
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
    queryKey: [...keys.log(project), 'entry', revision] as const,
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

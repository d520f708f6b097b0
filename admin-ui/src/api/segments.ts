import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { Condition } from '../lib/model'
import { type Schemas, ask, change, client, ifMatch, once } from './client'
import { keys } from './queries'
import { reasonQuery } from './reason'

export type Side = 'include' | 'exclude'
export type SegmentEnvironment = Schemas['SegmentEnvironment']

/** A segment with its condition as this code knows it; the generated schema leaves conditions open. */
export interface Segment extends Omit<Schemas['Segment'], 'when'> {
  when?: Condition
}

const opened = (segment: Schemas['Segment']) => segment as Segment

/** All of a project's segments, by key. */
export function segmentsQuery(project: string) {
  return queryOptions({
    queryKey: keys.segments(project),
    queryFn: async ({ signal }) => {
      const all: Segment[] = []
      let cursor: string | undefined
      do {
        const page = await ask(client.GET('/v1/projects/{project}/segments', { params: { path: { project }, query: { limit: 1000, cursor } }, signal }))
        all.push(...page.items.map(opened))
        cursor = page.next || undefined
      } while (cursor)
      return all
    },
  })
}

export function segmentQuery(project: string, segment: string) {
  return queryOptions({
    queryKey: keys.segment(project, segment),
    queryFn: async ({ signal }) => opened(await ask(client.GET('/v1/projects/{project}/segments/{segment}', { params: { path: { project, segment } }, signal }))),
  })
}

/** Whether a segment is active in an environment, and how long its lists are there. */
export function segmentEnvironmentQuery(project: string, segment: string, environment: string) {
  return queryOptions({
    queryKey: [...keys.segment(project, segment), 'environment', environment] as const,
    queryFn: ({ signal }) =>
      ask(client.GET('/v1/projects/{project}/segments/{segment}/environments/{environment}', { params: { path: { project, segment, environment } }, signal })),
  })
}

/** The keys of one list, a hundred at a time: nobody reads a million of them. */
export function listQuery(project: string, segment: string, environment: string, side: Side) {
  return infiniteQueryOptions({
    queryKey: [...keys.segment(project, segment), 'environment', environment, side] as const,
    queryFn: ({ signal, pageParam }) =>
      ask(
        client.GET('/v1/projects/{project}/segments/{segment}/environments/{environment}/lists/{side}', {
          params: { path: { project, segment, environment, side }, query: { limit: 100, cursor: pageParam || undefined } },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
  })
}

/** Whether a list has a key, exactly. */
export function listedQuery(project: string, segment: string, environment: string, side: Side, key: string) {
  return queryOptions({
    queryKey: [...keys.segment(project, segment), 'environment', environment, side, 'key', key] as const,
    queryFn: async ({ signal }) => {
      const found = await ask(
        client.GET('/v1/projects/{project}/segments/{segment}/environments/{environment}/lists/{side}', {
          params: { path: { project, segment, environment, side }, query: { key } },
          signal,
        }),
      )
      return found.items.length > 0
    },
  })
}

/** Who refers to a segment, and keeps it from being deleted. */
export function referencesQuery(project: string, segment: string) {
  return queryOptions({
    queryKey: ['p', project, 'references', segment] as const,
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/segments/{segment}/references', { params: { path: { project, segment } }, signal })),
    staleTime: 0,
  })
}

export function createSegment(project: string, segment: Segment, reason: string) {
  return change(client.POST('/v1/projects/{project}/segments', { params: { path: { project }, query: reasonQuery(reason), header: once() }, body: segment as Schemas['Segment'] }))
}

/** Replaces a segment's definition; 412 when it is not at this version any more. */
export function putSegment(project: string, segment: Segment, version: number | undefined, reason: string) {
  return change(
    client.PUT('/v1/projects/{project}/segments/{segment}', {
      params: { path: { project, segment: segment.key }, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
      body: segment as Schemas['Segment'],
    }),
  )
}

export function deleteSegment(project: string, segment: string, version: number | undefined, reason: string) {
  return change(
    client.DELETE('/v1/projects/{project}/segments/{segment}', {
      params: { path: { project, segment }, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
    }),
  )
}

export function setActive(project: string, segment: string, environment: string, active: boolean, version: number | undefined, reason: string) {
  return change(
    client.PATCH('/v1/projects/{project}/segments/{segment}/environments/{environment}', {
      // Version 0 is that of a segment that was never touched there.
      params: { path: { project, segment, environment }, query: reasonQuery(reason), header: { ...ifMatch(version ?? 0), ...once() } },
      body: { active },
    }),
  )
}

/** Adds keys to a list and removes keys from it: at most 1,000 at once. */
export function editList(at: { project: string; segment: string; environment: string; side: Side }, edit: Schemas['ListEdit'], reason: string, signal?: AbortSignal) {
  return change(
    client.POST('/v1/projects/{project}/segments/{segment}/environments/{environment}/lists/{side}', {
      params: { path: at, query: reasonQuery(reason), header: once() },
      body: edit,
      signal,
    }),
  )
}

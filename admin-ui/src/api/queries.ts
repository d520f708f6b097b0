import { QueryClient, infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ask, client } from './client'
import { ProblemError } from './problem'

// Keys of the query cache. All of a project begin with 'p' and its key, then say which collection: that is how a change that arrives over the
// event stream finds what it made stale (app/live.tsx). A screen adds its own keys in this shape.
export const keys = {
  projects: () => ['projects'] as const,
  all: (project: string) => ['p', project] as const,
  environments: (project: string) => ['p', project, 'environments'] as const,
  flags: (project: string, archived = false) => ['p', project, 'flags', archived ? 'archived' : 'active'] as const,
  flag: (project: string, flag: string) => ['p', project, 'flag', flag] as const,
  targeting: (project: string, flag: string, environment: string) => ['p', project, 'targeting', flag, environment] as const,
  kills: (project: string, flag: string, environment: string) => ['p', project, 'kills', flag, environment] as const,
  segments: (project: string) => ['p', project, 'segments'] as const,
  segment: (project: string, segment: string) => ['p', project, 'segment', segment] as const,
  tokens: (project: string) => ['p', project, 'tokens'] as const,
  log: (project: string) => ['p', project, 'log'] as const,
  instances: (project: string) => ['p', project, 'instances'] as const,
}

// makeQueryClient: what a person looks at is kept current by the event stream, so nothing is refetched for its age alone. A refusal (4xx) is
// final; what may pass (no connection, 5xx) is tried twice more.
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 60_000,
        gcTime: 5 * 60_000,
        refetchOnWindowFocus: false,
        retry: (failures, err) => failures < 2 && !(err instanceof ProblemError && err.status >= 400 && err.status < 500),
        retryDelay: (n) => 300 * 2 ** n,
      },
      mutations: { retry: false },
    },
  })
}

export function projectsQuery() {
  return queryOptions({
    queryKey: keys.projects(),
    queryFn: ({ signal }) => ask(client.GET('/v1/projects', { params: { query: { limit: 1000 } }, signal })),
    select: (list) => list.items,
  })
}

// environmentsQuery gives the environments in the order that the project shows them.
export function environmentsQuery(project: string) {
  return queryOptions({
    queryKey: keys.environments(project),
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/environments', { params: { path: { project } }, signal })),
    select: (list) => list.items,
  })
}

// flagsQuery gives all flags with their state in each environment. The first page is small, so that there is something to read at once.
export function flagsQuery(project: string, archived = false) {
  return infiniteQueryOptions({
    queryKey: keys.flags(project, archived),
    queryFn: ({ signal, pageParam }) =>
      ask(
        client.GET('/v1/projects/{project}/flags', {
          params: { path: { project }, query: { limit: pageParam === '' ? 100 : 1000, cursor: pageParam || undefined, archived: archived || undefined } },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
  })
}

export function flagQuery(project: string, flag: string) {
  return queryOptions({
    queryKey: keys.flag(project, flag),
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/flags/{flag}', { params: { path: { project, flag } }, signal })),
  })
}

export function targetingQuery(project: string, flag: string, environment: string) {
  return queryOptions({
    queryKey: keys.targeting(project, flag, environment),
    queryFn: ({ signal }) =>
      ask(client.GET('/v1/projects/{project}/flags/{flag}/environments/{environment}', { params: { path: { project, flag, environment } }, signal })),
  })
}

export function killsQuery(project: string, flag: string, environment: string) {
  return queryOptions({
    queryKey: keys.kills(project, flag, environment),
    queryFn: ({ signal }) =>
      ask(client.GET('/v1/projects/{project}/flags/{flag}/environments/{environment}/kills', { params: { path: { project, flag, environment } }, signal })),
    select: (list) => list.items,
  })
}

export function instancesQuery(project: string) {
  return queryOptions({
    queryKey: keys.instances(project),
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/instances', { params: { path: { project } }, signal })),
  })
}

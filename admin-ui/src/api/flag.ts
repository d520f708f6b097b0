import { queryOptions } from '@tanstack/react-query'
import type { Context } from '../lib/context'
import type { Flag, Json, Targeting } from '../lib/model'
import { authored } from '../lib/model'
import type { Trace } from '../lib/trace'
import { type Schemas, ask, change, client, ifMatch, once } from './client'
import { flagQuery, keys, targetingQuery } from './queries'
import { reasonQuery } from './reason'

// The flag page's calls. Documents come and go as lib/model.ts has them: the generated schema leaves conditions, ranges and values open.

export type Place = { project: string; flag: string; environment: string }
export type Preview = Schemas['Preview']
export type Shift = Schemas['Shift']
export type Evaluation = Omit<Schemas['Evaluation'], 'trace' | 'value'> & { value?: Json; trace?: Trace }
export type TargetingView = Targeting & { killed?: boolean; kills?: readonly string[]; archived?: boolean; revision?: number }

const opened = (t: Schemas['Targeting']) => t as unknown as TargetingView

export function targetingOf({ project, flag, environment }: Place) {
  return queryOptions({ ...targetingQuery(project, flag, environment), select: opened })
}

export function flagOf(project: string, flag: string) {
  return queryOptions({ ...flagQuery(project, flag), select: (f) => f as unknown as Flag })
}

export async function freshTargeting({ project, flag, environment }: Place): Promise<TargetingView> {
  return opened(await ask(client.GET('/v1/projects/{project}/flags/{flag}/environments/{environment}', { params: { path: { project, flag, environment } } })))
}

/** What the flag does in each environment, in one call. */
export function statesQuery(project: string, flag: string, archived: boolean) {
  return queryOptions({
    queryKey: [...keys.flag(project, flag), 'states', archived] as const,
    queryFn: ({ signal }) =>
      ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { flag, archived: archived || undefined } }, signal })),
    select: (list) => list.items[0]?.environments ?? {},
  })
}

/** Flags whose key or name has a text, to choose one from. */
export function flagChoicesQuery(project: string, q: string) {
  return queryOptions({
    queryKey: [...keys.all(project), 'choices', q] as const,
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { q: q || undefined, limit: 50 } }, signal })),
    select: (list) => list.items.map((i) => i.flag),
  })
}

export function putTargeting(at: Place, t: Targeting, version: number | undefined, reason: string, key: string) {
  return change(
    client.PUT('/v1/projects/{project}/flags/{flag}/environments/{environment}', {
      params: { path: at, query: reasonQuery(reason), header: { ...ifMatch(version), ...once(key) } },
      body: authored(t) as unknown as Schemas['Targeting'],
    }),
  )
}

export function ramp(at: Place, r: { rule: string; exposure: number; from?: number }, version: number | undefined, reason: string, key: string) {
  return change(
    client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/ramp', {
      params: { path: at, header: { ...ifMatch(version), ...once(key) } },
      body: { ...r, ...reasonQuery(reason) },
    }),
  )
}

export function turn(at: Place, on: boolean, version: number | undefined, reason: string, key: string) {
  const init = { params: { path: at, header: { ...ifMatch(version), ...once(key) } }, body: reasonQuery(reason) }
  return change(
    on
      ? client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/on', init)
      : client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/off', init),
  )
}

/** What saving a targeting would do, and what it would answer for a context. It refuses what could not be saved. */
export function preview(at: Place, t: Targeting, contexts: Context[], signal: AbortSignal | undefined): Promise<Preview> {
  return ask(
    client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/preview', {
      params: { path: at },
      body: { targeting: authored(t) as unknown as Record<string, never>, ...(contexts.length ? { contexts } : {}) },
      signal,
    }),
  )
}

export async function evaluate(at: Place, context: Context): Promise<Evaluation> {
  const { project, flag, environment } = at
  return (await ask(
    client.POST('/v1/evaluate/{flag}', { params: { path: { flag }, query: { project, environment, trace: true } }, body: { context } }),
  )) as Evaluation
}

export function clearKill(at: Place, kill: string, reason: string) {
  return change(
    client.DELETE('/v1/projects/{project}/flags/{flag}/environments/{environment}/kills/{kill}', {
      params: { path: { ...at, kill }, query: { reason }, header: once() },
    }),
  )
}

/** Replaces a flag's definition; 412 when it is not at this version any more. */
export function putFlag(project: string, flag: Flag, version: number | undefined, reason: string) {
  return change(
    client.PUT('/v1/projects/{project}/flags/{flag}', {
      params: { path: { project, flag: flag.key }, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
      body: flag as unknown as Schemas['Flag'],
    }),
  )
}

export function archive(project: string, flag: string, away: boolean, reason: string) {
  const init = { params: { path: { project, flag }, header: once() }, body: reasonQuery(reason) }
  return change(away ? client.POST('/v1/projects/{project}/flags/{flag}/archive', init) : client.POST('/v1/projects/{project}/flags/{flag}/unarchive', init))
}

export function reshuffle(project: string, flag: string, reason: string) {
  return change(client.POST('/v1/projects/{project}/flags/{flag}/reshuffle', { params: { path: { project, flag }, header: once() }, body: reasonQuery(reason) }))
}

export function deleteFlag(project: string, flag: string, version: number | undefined, reason: string) {
  return change(
    client.DELETE('/v1/projects/{project}/flags/{flag}', {
      params: { path: { project, flag }, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
    }),
  )
}

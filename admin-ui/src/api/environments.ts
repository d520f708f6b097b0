import { queryOptions } from '@tanstack/react-query'
import type { Targeting } from '../lib/model'
import { each } from '../screens/environments/compare'
import { type Schemas, ask, change, client, ifMatch, once } from './client'
import { reasonQuery } from './reason'

export type Environment = Schemas['Environment']

export function createEnvironment(project: string, environment: Environment, reason: string) {
  return change(client.POST('/v1/projects/{project}/environments', { params: { path: { project }, query: reasonQuery(reason), header: once() }, body: environment }))
}

export type EnvironmentEdit = Pick<Environment, 'name' | 'description' | 'production' | 'order'>

/** Changes what is given; 412 when the environment is not at this version any more. */
export function patchEnvironment(project: string, environment: string, edit: EnvironmentEdit, version: number | undefined, reason: string) {
  return change(
    client.PATCH('/v1/projects/{project}/environments/{environment}', {
      params: { path: { project, environment }, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
      body: edit,
    }),
  )
}

export function deleteEnvironment(project: string, environment: string, version: number | undefined, reason: string) {
  return change(
    client.DELETE('/v1/projects/{project}/environments/{environment}', {
      params: { path: { project, environment }, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
    }),
  )
}

/** A flag's targeting in one environment, with what stands above it. */
export interface Placed {
  flag: string
  targeting: Targeting
  killed: boolean
  archived: boolean
}

/** Every flag's targeting in an environment, by flag. */
export function targetingsQuery(project: string, environment: string) {
  return queryOptions({
    queryKey: ['p', project, 'targetings', environment] as const,
    queryFn: async ({ signal }) => {
      const found = new Map<string, Placed>()
      let cursor: string | undefined
      do {
        const page = await ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { limit: 1000, cursor } }, signal }))
        await each(page.items, 6, signal, async ({ flag }) => {
          const t = await ask(
            client.GET('/v1/projects/{project}/flags/{flag}/environments/{environment}', { params: { path: { project, flag: flag.key, environment } }, signal }),
          )
          found.set(flag.key, { flag: flag.key, targeting: t as Targeting, killed: t.killed ?? false, archived: t.archived ?? false })
        })
        cursor = page.next || undefined
      } while (cursor)
      return new Map([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    },
  })
}

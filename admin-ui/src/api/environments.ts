import { queryOptions } from '@tanstack/react-query'
import type { Targeting } from '../lib/model'
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

/** Every flag's targeting in an environment, by flag, archived ones among them. */
export function targetingsQuery(project: string, environment: string) {
  return queryOptions({
    queryKey: ['p', project, 'targetings', environment] as const,
    queryFn: async ({ signal }) => {
      const found = new Map<string, Placed>()
      let cursor: string | undefined
      do {
        const page = await ask(
          client.GET('/v1/projects/{project}/environments/{environment}/targetings', { params: { path: { project, environment }, query: { limit: 1000, cursor } }, signal }),
        )
        for (const t of page.items) {
          const flag = t.flag ?? ''
          found.set(flag, { flag, targeting: t as Targeting, killed: t.killed ?? false, archived: t.archived ?? false })
        }
        cursor = page.next || undefined
      } while (cursor)
      return found
    },
  })
}

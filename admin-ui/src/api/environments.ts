import { queryOptions } from '@tanstack/react-query'
import { authored, type Targeting } from '../lib/model'
import { type Schemas, change, client, ifMatch, once } from './client'
import { keys } from './queries'
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

/** Replaces a flag's targeting in an environment; what the server owns is left to it. */
export function putTargeting(at: { project: string; flag: string; environment: string }, targeting: Targeting, version: number | undefined, reason: string) {
  return change(
    client.PUT('/v1/projects/{project}/flags/{flag}/environments/{environment}', {
      params: { path: at, query: reasonQuery(reason), header: { ...ifMatch(version), ...once() } },
      body: authored(targeting) as Schemas['Targeting'],
    }),
  )
}

/** Who would enter, leave and switch if this were saved. */
export function previewQuery(at: { project: string; flag: string; environment: string }, targeting: Targeting, version: number | undefined) {
  const body = authored(targeting)
  return queryOptions({
    queryKey: [...keys.targeting(at.project, at.flag, at.environment), 'preview', version, JSON.stringify(body)] as const,
    queryFn: async ({ signal }) =>
      (
        await change(
          client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/preview', {
            params: { path: at },
            body: { targeting: body as unknown as Record<string, never> },
            signal,
          }),
        )
      ).data,
  })
}

import { useQuery } from '@tanstack/react-query'
import { useParams, useSearch } from '@tanstack/react-router'
import type { Schemas } from '../api/client'
import { environmentsQuery } from '../api/queries'

export type Environment = Schemas['Environment']

// What was chosen last is kept for URLs that do not say. A browser that keeps nothing does without.
function keep(name: string, value: string) {
  try {
    localStorage.setItem(name, value)
  } catch {
    // As said.
  }
}

function kept(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined
  } catch {
    return undefined
  }
}

export const rememberEnvironment = (key: string) => keep('dimmer-environment', key)
export const rememberProject = (key: string) => keep('dimmer-project', key)
export const rememberedProject = () => kept('dimmer-project')

// defaultEnvironment is the one chosen last, or production, since that is what people come for, or the last in order.
export function defaultEnvironment(environments: readonly Environment[]): Environment | undefined {
  const last = kept('dimmer-environment')
  return environments.find((e) => e.key === last) ?? environments.find((e) => e.production) ?? environments.at(-1)
}

// useEnvironments gives the project's environments in order, and the one that the URL names (?env=), if there is such a one.
export function useEnvironments(): { environments: readonly Environment[]; named: Environment | undefined } {
  const project = useParams({ strict: false }).project ?? ''
  const { env } = useSearch({ strict: false }) as { env?: string }
  const { data = [] } = useQuery({ ...environmentsQuery(project), enabled: project !== '' })
  return { environments: data, named: data.find((e) => e.key === env) }
}

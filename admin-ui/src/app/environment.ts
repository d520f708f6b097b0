import { useQuery } from '@tanstack/react-query'
import { useParams, useSearch } from '@tanstack/react-router'
import type { Schemas } from '../api/client'
import { environmentsQuery } from '../api/queries'

export type Environment = Schemas['Environment']

const remembered = 'dimmer-environment'

// rememberEnvironment keeps what was chosen last, for pages whose URL names no environment.
export function rememberEnvironment(key: string) {
  try {
    localStorage.setItem(remembered, key)
  } catch {
    // A browser that keeps nothing: the default serves.
  }
}

// defaultEnvironment is the one chosen last, or production, since that is what people come for, or the last in order.
export function defaultEnvironment(environments: readonly Environment[]): Environment | undefined {
  let last: string | null = null
  try {
    last = localStorage.getItem(remembered)
  } catch {
    // As above.
  }
  return environments.find((e) => e.key === last) ?? environments.find((e) => e.production) ?? environments.at(-1)
}

// useEnvironments gives the project's environments in order, and the one that the URL names (?env=), if there is such a one.
export function useEnvironments(): { environments: readonly Environment[]; named: Environment | undefined } {
  const project = useParams({ strict: false }).project ?? ''
  const { env } = useSearch({ strict: false }) as { env?: string }
  const { data = [] } = useQuery({ ...environmentsQuery(project), enabled: project !== '' })
  return { environments: data, named: data.find((e) => e.key === env) }
}

import { useQuery } from '@tanstack/react-query'
import { installationTokensQuery, tokensQuery } from '../../api/tokens'
import { useSession } from '../../app/session'
import type { LogEntry } from './entry'

// useActors gives actors' names. The log has the ids of tokens; who may list tokens sees what they are called, others see their own name.
export function useActors(project: string): (entry: Pick<LogEntry, 'actor'>) => string {
  const session = useSession()
  const me = session.kind === 'in' ? session.principal : undefined
  const tokens = useQuery({ ...tokensQuery(project), enabled: me?.role === 'admin' })
  const everywhere = useQuery({ ...installationTokensQuery(), enabled: me?.role === 'admin' && !me.project })
  return ({ actor }) => {
    const id = actor.replace(/^token:/, '')
    if (me?.id === actor && me.name) return me.name
    return (tokens.data?.find((t) => t.id === id) ?? everywhere.data?.find((t) => t.id === id))?.name || actor
  }
}

import { useQuery } from '@tanstack/react-query'
import { tokensQuery } from '../../api/tokens'
import { useSession } from '../../app/session'
import type { LogEntry } from './entry'

/** Who made a change, as its entry tells; a bare id has no name beside it. */
export type Who = Pick<LogEntry, 'actor' | 'actorName'>

// useActors gives actors' names: the one that the entry brings, or what a list of tokens tells about an id alone.
export function useActors(project: string): (who: Who) => string {
  const session = useSession()
  const me = session.kind === 'in' ? session.principal : undefined
  const tokens = useQuery({ ...tokensQuery(project), enabled: me?.role === 'admin' })
  return ({ actor, actorName }) => {
    if (actorName) return actorName
    if (me?.id === actor && me.name) return me.name
    return tokens.data?.find((t) => `token:${t.id}` === actor)?.name || actor
  }
}

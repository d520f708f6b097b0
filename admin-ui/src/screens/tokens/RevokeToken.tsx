import { useQuery, useQueryClient } from '@tanstack/react-query'
import { instancesQuery } from '../../api/queries'
import { revokeToken } from '../../api/tokens'
import { useSession } from '../../app/session'
import { ActDialog } from '../../components/ActDialog'
import { RelativeTime } from '../../components/RelativeTime'
import { plural } from '../../components/time'
import { toast } from '../../components/toast'
import type { Token } from './state'

export function RevokeToken({ project, token, onClose }: { project: string | undefined; token: Token; onClose: () => void }) {
  const queries = useQueryClient()
  const session = useSession()
  const mine = session.kind === 'in' && session.principal.id === `token:${token.id}`
  const act = async (reason: string) => {
    await revokeToken(project, token.id, reason)
    await queries.invalidateQueries({ queryKey: project === undefined ? ['tokens'] : ['p', project, 'tokens'] })
    toast(`Revoked ${token.name || token.id}`)
    onClose()
  }
  return (
    <ActDialog title={`Revoke ${token.name || token.id}?`} act="Revoke now" tone="danger" onAct={act} onClose={onClose}>
      <Consequence token={token} project={project ?? ''} />
      {mine && (
        <p>
          <b>This is the token that you are signed in with: you will be signed out.</b>
        </p>
      )}
      <p>
        {token.lastUsed ? (
          <>
            It was last used <RelativeTime at={token.lastUsed} />.{' '}
          </>
        ) : null}
        This cannot be undone; a new token can be made.
      </p>
    </ActDialog>
  )
}

function Consequence({ token, project }: { token: Token; project: string }) {
  const sdk = token.kind === 'server' || token.kind === 'client'
  const list = useQuery({ ...instancesQuery(project), enabled: sdk && project !== '', staleTime: 0 })
  if (token.kind === 'kill') return <p>From now on nothing can be killed with it: look whether an alert or a runbook uses it.</p>
  if (token.kind === 'admin') return <p>Whoever uses it is refused from now on, and open event streams end within 5 seconds.</p>
  const connected = (list.data?.items ?? []).filter((i) => i.environment === token.environment && i.state !== 'lost').length
  const many = list.data?.truncated ? 'At least ' : ''
  return (
    <p>
      Every stream that uses it ends within 5 seconds. SDKs that lose theirs go on with the flags that they have, hear of no change and of <b>no kill</b>, and do not start again without a good token.{' '}
      {list.data && (
        <>
          {many}
          {plural(connected, 'instance')} {connected === 1 ? 'is' : 'are'} connected in {token.environment} now, with this token or another.
        </>
      )}
    </p>
  )
}

import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { ProblemError } from '../../api/problem'
import { installationTokensQuery, tokensQuery } from '../../api/tokens'
import { useSession } from '../../app/session'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { Section } from '../../components/Section'
import { PlusIcon } from '../../components/icons'
import { useLastError } from '../../components/lastError'
import { useNow } from '../../components/now'
import { CreateToken } from './CreateToken'
import { RevokeToken } from './RevokeToken'
import { RotateToken } from './RotateToken'
import { Secret } from './Secret'
import { TokenTable } from './TokenTable'
import { type Token, ordered } from './state'

const route = getRouteApi('/p/$project/tokens')

/** What is being done, in a dialog. `project` undefined: with a token of the whole installation. */
export type Act =
  | { kind: 'create' }
  | { kind: 'rotate'; token: Token; project: string | undefined }
  | { kind: 'revoke'; token: Token; project: string | undefined }
  | { kind: 'secret'; token: Token; secret: string; old?: Token }

// The event stream tells of tokens that were made or revoked, but not when one was used.
const every = 30_000

export function Tokens() {
  const { project } = route.useParams()
  const [act, setAct] = useState<Act>()
  const list = useQuery({ ...tokensQuery(project), refetchInterval: every })
  const failed = useLastError(list) ?? list.error
  const denied = failed instanceof ProblemError && failed.status === 403
  const create = (
    <Button variant="primary" leftSection={<PlusIcon size={16} />} onClick={() => setAct({ kind: 'create' })}>
      New token
    </Button>
  )
  return (
    <Page title="Tokens" lead="Credentials of programs and people. A secret is shown once, when it is made; Dimmer keeps only its hash." actions={!denied && create}>
      {list.isPending && failed === null && <RowsSkeleton rows={4} label="Loading the tokens" />}
      {denied ? (
        <Empty title="Tokens are for administrators">Your token may not see or make any. Somebody with the role admin in this project can make the one that you need.</Empty>
      ) : (
        failed !== null && <ProblemAlert error={failed} retry={() => void list.refetch()} />
      )}
      {list.data?.length === 0 && (
        <Empty title="No token yet" action={create} command={`dimmer tokens create "checkout service" --kind server -e production -p ${project}`}>
          A service needs a server token of its environment to get its flags.
        </Empty>
      )}
      {list.data && list.data.length > 0 && <List project={project} tokens={list.data} onAct={setAct} />}
      {!denied && <Everywhere onAct={setAct} />}
      {act?.kind === 'create' && <CreateToken project={project} onMade={setAct} onClose={() => setAct(undefined)} />}
      {act?.kind === 'rotate' && <RotateToken project={act.project} token={act.token} onMade={setAct} onClose={() => setAct(undefined)} />}
      {act?.kind === 'revoke' && <RevokeToken project={act.project} token={act.token} onClose={() => setAct(undefined)} />}
      {act?.kind === 'secret' && <Secret token={act.token} secret={act.secret} old={act.old} project={project} onClose={() => setAct(undefined)} />}
    </Page>
  )
}

function List({ project, tokens, onAct }: { project: string | undefined; tokens: Token[]; onAct: (act: Act) => void }) {
  const now = useNow()
  const [all, setAll] = useState(false)
  const { live, gone } = ordered(tokens, now)
  return (
    <>
      {live.length > 0 && <TokenTable label="Tokens" project={project} tokens={live} all={tokens} onAct={onAct} />}
      {gone.length > 0 && (
        <Section
          title="Expired or revoked"
          count={gone.length}
          actions={
            <Button size="compact-sm" variant="subtle" aria-expanded={all} onClick={() => setAll(!all)}>
              {all ? 'Hide' : 'Show'}
            </Button>
          }
        >
          {all && <TokenTable label="Expired or revoked tokens" project={project} tokens={gone} all={tokens} onAct={onAct} />}
        </Section>
      )}
    </>
  )
}

// Everywhere lists the tokens that are bound to no project, for those who may see them.
function Everywhere({ onAct }: { onAct: (act: Act) => void }) {
  const session = useSession()
  const principal = session.kind === 'in' ? session.principal : undefined
  const may = principal?.role === 'admin' && !principal.project
  const list = useQuery({ ...installationTokensQuery(), enabled: may, refetchInterval: every })
  if (!may || !list.data || list.data.length === 0) return null
  return (
    <Section title="For all projects" count={list.data.length}>
      <List project={undefined} tokens={list.data} onAct={onAct} />
    </Section>
  )
}

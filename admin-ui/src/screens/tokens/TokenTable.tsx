import { Button } from '@mantine/core'
import { type Column, DataTable } from '../../components/DataTable'
import { RelativeTime } from '../../components/RelativeTime'
import { type Shape, StateMark } from '../../components/StateMark'
import { useNow } from '../../components/now'
import type { Act } from './Tokens'
import classes from './Tokens.module.css'
import { type Token, type TokenState, isKind, isLive, kindWords, stateOf } from './state'
import { until } from './until'

interface Props {
  label: string
  project: string | undefined
  tokens: Token[]
  /** Those that a successor's name is found among. */
  all: Token[]
  onAct: (act: Act) => void
}

export function TokenTable({ label, project, tokens, all, onAct }: Props) {
  const now = useNow()
  const columns: Column<Token>[] = [
    {
      key: 'name',
      title: 'Name',
      bare: true,
      cell: (t) => (
        <span className={classes.name}>
          <b>{t.name || 'without a name'}</b>
          <span className={`mono ${classes.dim}`}>{t.id}</span>
        </span>
      ),
    },
    { key: 'kind', title: 'Kind', cell: (t) => (isKind(t.kind) ? kindWords[t.kind].name : t.kind) },
    { key: 'scope', title: 'May', cell: (t) => <Scope token={t} /> },
    {
      key: 'created',
      title: 'Created',
      cell: (t) => (t.createdAt ? <RelativeTime at={t.createdAt} /> : <span className={classes.dim}>–</span>),
    },
    { key: 'used', title: 'Last used', cell: (t) => (t.lastUsed ? <RelativeTime at={t.lastUsed} /> : <span className={classes.dim}>not yet</span>) },
    { key: 'ends', title: 'Ends', cell: (t) => <Ends token={t} now={now} all={all} /> },
    {
      key: 'acts',
      title: 'Acts',
      bare: true,
      align: 'acts',
      cell: (t) =>
        isLive(t, now) && (
          <span className={classes.acts}>
            {!t.successor && (
              <Button size="compact-sm" aria-label={`Rotate ${t.name || t.id}`} onClick={() => onAct({ kind: 'rotate', token: t, project })}>
                Rotate
              </Button>
            )}
            <Button size="compact-sm" aria-label={`Revoke ${t.name || t.id}`} onClick={() => onAct({ kind: 'revoke', token: t, project })}>
              Revoke
            </Button>
          </span>
        ),
    },
  ]
  return <DataTable label={label} columns={columns} items={tokens} id={(t) => t.id} />
}

function Scope({ token }: { token: Token }) {
  const where = token.environment ? `in ${token.environment}` : 'in all environments'
  const what = token.kind === 'admin' ? (token.role ?? 'act') : token.kind === 'kill' ? 'kill' : token.kind === 'client' ? 'get values' : 'read rules'
  return (
    <>
      {what} <span className={classes.dim}>{where}</span>
    </>
  )
}

const marks: Record<TokenState, { shape: Shape; tone: 'plain' | 'dim' }> = {
  live: { shape: 'full', tone: 'plain' },
  ending: { shape: 'clock', tone: 'plain' },
  expired: { shape: 'ring', tone: 'dim' },
  revoked: { shape: 'cross', tone: 'dim' },
}

function Ends({ token, now, all }: { token: Token; now: number; all: Token[] }) {
  const state = stateOf(token, now)
  const next = token.successor ? all.find((t) => t.id === token.successor) : undefined
  const word = state === 'revoked' ? 'revoked' : state === 'expired' ? 'expired' : token.expires ? until(Date.parse(token.expires), now) : 'never'
  const at = state === 'revoked' ? token.revokedAt : state === 'expired' ? token.expires : undefined
  return (
    <span className={classes.ends}>
      {state === 'live' ? (
        <span className={token.expires ? undefined : classes.dim}>{word}</span>
      ) : (
        <StateMark shape={marks[state].shape} tone={marks[state].tone}>
          {word}
        </StateMark>
      )}
      {at && <RelativeTime at={at} />}
      {token.successor && <span className={classes.dim}>replaced by {next?.name ? <span className="mono">{next.id}</span> : token.successor}</span>}
    </span>
  )
}

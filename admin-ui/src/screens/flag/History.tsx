import { Button, Skeleton } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Place, TargetingView } from '../../api/flag'
import { entryQuery, logQuery, restore } from '../../api/log'
import { keys } from '../../api/queries'
import { ActDialog } from '../../components/ActDialog'
import { DiffView } from '../../components/DiffView'
import { Empty } from '../../components/Empty'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RelativeTime } from '../../components/RelativeTime'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { toast } from '../../components/toast'
import { type DiffLine, diffDocument, diffFlag, diffTargeting, placeName } from '../../lib/diff'
import { compare, lineAt } from '../../lib/hashline'
import { type Flag, type Targeting, authored, eachServe, same } from '../../lib/model'
import { formatShare } from '../../lib/percent'
import { type LogEntry, toneOf, verbWord } from '../log/entry'
import classes from './History.module.css'

type Props = { at: Place; flag: Flag; targeting: TargetingView; readOnly: boolean }

// History is every change of this flag in this environment, newest first, each with what it changed, and a way back to it.
export function History({ at, flag, targeting, readOnly }: Props) {
  const list = useInfiniteQuery(logQuery(at.project, { flag: at.flag, environment: at.environment }))
  const own = useInfiniteQuery(logQuery(at.project, { flag: at.flag }))
  if (list.error || own.error) return <ProblemAlert error={list.error ?? own.error} retry={() => void Promise.all([list.refetch(), own.refetch()])} />
  if (!list.data || !own.data) return <RowsSkeleton label="Loading the history" />
  // The server's filter leaves out changes of the flag itself, which are of no environment: they belong here as well.
  const complete = Math.max(lowest(list.data.pages, list.hasNextPage), lowest(own.data.pages, own.hasNextPage))
  const entries = union([...list.data.pages, ...own.data.pages].flatMap((p) => p.items))
    .filter((e) => e.revision >= complete && concerns(e, at))
    .sort((a, b) => b.revision - a.revision)
  const more = () => void Promise.all([list.hasNextPage && list.fetchNextPage(), own.hasNextPage && own.fetchNextPage()])
  if (entries.length === 0) {
    return (
      <Empty title="Nothing has changed yet" command={`dimmer ramp ${at.flag} 10 -e ${at.environment}`}>
        Each change of this flag stands here, with who, when and why, and can be brought back.
      </Empty>
    )
  }
  return (
    <div className={classes.history}>
      <ol className={classes.list}>
        {entries.map((entry) => (
          <Entry key={`${entry.epoch}.${entry.revision}`} at={at} flag={flag} targeting={targeting} entry={entry} readOnly={readOnly} />
        ))}
      </ol>
      {(list.hasNextPage || own.hasNextPage) && (
        <Button size="xs" onClick={more} loading={list.isFetchingNextPage || own.isFetchingNextPage}>
          Show older changes
        </Button>
      )}
    </div>
  )
}

/** "ramped", "changed the targeting": of this flag, of course. */
function did(verb: string): string {
  return verbWord(verb).replace(/ of$/, '')
}

type Page = { items: LogEntry[] }

/** Below this revision the pages that are loaded may miss something. */
function lowest(pages: Page[], more: boolean): number {
  return more ? Math.min(...pages.flatMap((p) => p.items.map((e) => e.revision))) : 0
}

function union(entries: LogEntry[]): LogEntry[] {
  return [...new Map(entries.map((e) => [e.revision, e])).values()]
}

function concerns(e: LogEntry, at: Place): boolean {
  return (e.changes ?? []).some(({ document: d }) => d === `flag/${at.flag}` || d === `targeting/${at.environment}/${at.flag}` || d.startsWith(`kill/${at.environment}/`)) || e.target.endsWith(`${at.flag}@${at.environment}`)
}

function Entry({ at, flag, targeting, entry, readOnly }: Props & { entry: LogEntry }) {
  const { data } = useQuery(entryQuery(at.project, entry.revision))
  const [restoring, setRestoring] = useState(false)
  const changes = (data?.changes ?? []).filter((c) => concernsDocument(c, at))
  const lines = changes.flatMap((c) => (c.document.startsWith('targeting/') && !c.before ? [begun(c.after)] : diffDocument(c)))
  const past = data && pastOf(data, at)
  const now = past && (past.kind === 'flag' ? same(bare(past.flag), bare(flag)) : same(authored(past.targeting), authored(targeting)))
  return (
    <li className={classes.entry} data-tone={toneOf(entry.verb)}>
      <div className={classes.head}>
        <p className={classes.who}>
          <b>{entry.actorName || entry.actor}</b> {did(entry.verb)}
          <span className={classes.when}>
            <RelativeTime at={entry.at} />
          </span>
        </p>
        <span className={classes.end}>
          <Link from="/p/$project" to="/p/$project/log" search={{ rev: String(entry.revision) }} className={classes.revision}>
            revision {entry.revision}
          </Link>
          {now ? (
            <span className={classes.dim}>as it is now</span>
          ) : (
            past && !readOnly && (
              <Button size="compact-xs" onClick={() => setRestoring(true)}>
                Restore this…
              </Button>
            )
          )}
        </span>
      </div>
      {entry.reason && <p className={classes.reason}>{entry.reason}</p>}
      {!data ? <Skeleton height={16} width="40%" mt={4} /> : lines.length > 0 ? <DiffView lines={lines} label={`Changes of revision ${entry.revision}`} /> : null}
      {restoring && past && <RestoreDialog at={at} flag={flag} targeting={targeting} entry={entry} past={past} onClose={() => setRestoring(false)} />}
    </li>
  )
}

type Change = NonNullable<LogEntry['changes']>[number]

function concernsDocument(c: Change, at: Place): boolean {
  if (c.document === `flag/${at.flag}` || c.document === `targeting/${at.environment}/${at.flag}`) return true
  return c.document.startsWith(`kill/${at.environment}/`) && ((c.after ?? c.before) as { flag?: string } | undefined)?.flag === at.flag
}

function begun(after: unknown): DiffLine {
  const t = after as Targeting | undefined
  return { kind: 'added', subject: 'targeting', text: t ? `begins ${t.enabled ? 'on' : 'off'}` : 'begins' }
}

/** What stood after a change, when it can be brought back: the targeting here, or else the flag itself. */
type Past = { kind: 'targeting'; targeting: Targeting } | { kind: 'flag'; flag: Flag }

function pastOf(entry: LogEntry, at: Place): Past | undefined {
  const after = (document: string) => (entry.changes ?? []).find((c) => c.document === document)?.after
  const targeting = after(`targeting/${at.environment}/${at.flag}`)
  if (targeting) return { kind: 'targeting', targeting: targeting as Targeting }
  const flag = after(`flag/${at.flag}`)
  // Without a filter a restore brings back all that the revision changed, so that has to be the flag alone.
  return flag && (entry.changes ?? []).length === 1 ? { kind: 'flag', flag: flag as Flag } : undefined
}

function bare({ version: _, updatedAt: __, createdAt: ___, ...flag }: Flag): unknown {
  return flag
}

function RestoreDialog({ at, flag, targeting, entry, past, onClose }: Omit<Props, 'readOnly'> & { entry: LogEntry; past: Past; onClose: () => void }) {
  const queries = useQueryClient()
  const run = async (reason: string) => {
    await restore(at.project, entry.revision, past.kind === 'flag' ? {} : { flag: at.flag, environment: at.environment }, reason)
    toast(past.kind === 'flag' ? `${at.flag} is as it was at revision ${entry.revision}` : `${at.environment}: ${at.flag} is as it was at revision ${entry.revision}`)
    onClose()
    await Promise.all([keys.targeting(at.project, at.flag, at.environment), keys.flag(at.project, at.flag), keys.log(at.project)].map((queryKey) => queries.invalidateQueries({ queryKey })))
  }
  return (
    <ActDialog title={`Bring back revision ${entry.revision}?`} act="Restore" onAct={run} onClose={onClose}>
      <p className={classes.plain}>
        {past.kind === 'flag' ? 'The flag, in all environments,' : `The targeting in ${at.environment}`} becomes what it was after {entry.actorName || entry.actor} {did(entry.verb)}{entry.reason ? ` (“${entry.reason}”)` : ''}, hash lines included. This changes:
      </p>
      <DiffView lines={past.kind === 'flag' ? diffFlag(flag, past.flag) : diffTargeting(targeting, past.targeting)} />
      {past.kind === 'targeting' && <Moves now={targeting} then={past.targeting} />}
    </ActDialog>
  )
}

// Moves counts who enters, leaves and switches, with the very lines of then and now.
function Moves({ now, then }: { now: Targeting; then: Targeting }) {
  const out: string[] = []
  eachServe(then, (id) => {
    const [a, b] = [lineAt(now, id), lineAt(then, id)]
    if (!a || !b) return
    const s = compare(a, b)
    const words = [s.enter && `${formatShare(s.enter)} % enter`, s.leave && `${formatShare(s.leave)} % leave`, s.switch && `${formatShare(s.switch)} % switch`].filter(Boolean)
    if (s.redrawn) out.push(`${placeName(then, id)}: everyone is drawn anew`)
    else if (words.length) out.push(`${placeName(then, id)}: ${words.join(', ')}`)
  })
  return out.length ? (
    <ul className={classes.moves}>
      {out.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  ) : null
}

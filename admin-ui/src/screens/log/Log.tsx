import { Autocomplete, Button, CloseButton, Select } from '@mantine/core'
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { ask, client } from '../../api/client'
import { logQuery, newestQuery, prepend } from '../../api/log'
import { asProblem } from '../../api/problem'
import { tokensQuery } from '../../api/tokens'
import { useSession } from '../../app/session'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { Toolbar } from '../../components/Toolbar'
import { SearchIcon } from '../../components/icons'
import { count, plural } from '../../components/time'
import { toast } from '../../components/toast'
import { Entries } from './Entries'
import classes from './Log.module.css'
import { One } from './One'
import { type Who, useActors } from './actors'
import type { LogFilter } from './entry'
import { download, exportLog } from './export'

const route = getRouteApi('/p/$project/log')

export function Log() {
  const { project } = route.useParams()
  const { rev } = route.useSearch()
  const filter = useFilter()
  const name = useActors(project)
  const revision = Number(rev)
  return (
    <Page title="Log" lead="Every change: who, why, and what was before and after. Undoing one adds another." actions={<ExportButton project={project} filter={filter} name={name} />}>
      {Number.isSafeInteger(revision) && revision > 0 && <One key={revision} project={project} revision={revision} name={name} />}
      <Filters project={project} name={name} />
      <List key={JSON.stringify(filter)} project={project} filter={filter} name={name} />
    </Page>
  )
}

function useFilter(): LogFilter {
  const { flag, actor, env } = route.useSearch()
  return useMemo(() => ({ ...(flag && { flag }), ...(actor && { actor }), ...(env && { environment: env }) }), [flag, actor, env])
}

type Named = { project: string; name: (e: Who) => string }

function Filters({ project, name }: Named) {
  const { flag, actor, env } = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: { flag?: string; actor?: string }) => void navigate({ search: (now) => ({ ...now, ...change }) })
  const actors = useKnownActors(project, actor)
  return (
    <Toolbar
      label="Filter the log"
      end={
        (flag || actor || env) && (
          <Button size="compact-sm" variant="subtle" onClick={() => void navigate({ search: ({ rev }) => (rev ? { rev } : {}) })}>
            Clear the filter
          </Button>
        )
      }
    >
      <FlagField key={flag ?? ''} project={project} value={flag ?? ''} onCommit={(flag) => set({ flag: flag || undefined })} />
      <Select
        aria-label="Actor"
        placeholder="Anyone"
        searchable
        clearable
        clearButtonProps={{ 'aria-label': 'Anyone' }}
        limit={50}
        data={actors.map((a) => ({ value: a.actor, label: name(a) }))}
        value={actor ?? null}
        onChange={(actor) => set({ actor: actor ?? undefined })}
        nothingFoundMessage="Nobody like that in what was read"
      />
    </Toolbar>
  )
}

// FlagField takes a flag's exact key, since that is what the log knows, and proposes keys as one types.
function FlagField({ project, value, onCommit }: { project: string; value: string; onCommit: (flag: string) => void }) {
  const [text, setText] = useState(value)
  const found = useQuery({
    queryKey: ['p', project, 'proposed', text],
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { q: text || undefined, limit: 12 } }, signal })),
    select: (list) => list.items.map((i) => i.flag.key),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  })
  const commit = (flag: string) => flag.trim() !== value && onCommit(flag.trim())
  return (
    <Autocomplete
      aria-label="Flag"
      placeholder="Any flag"
      leftSection={<SearchIcon size={16} />}
      rightSection={text !== '' && <CloseButton size="sm" aria-label="Any flag" onClick={() => onCommit('')} />}
      data={found.data ?? []}
      filter={({ options }) => options}
      value={text}
      onChange={setText}
      onOptionSubmit={commit}
      onBlur={() => commit(text)}
      onKeyDown={(event) => event.key === 'Enter' && commit(text)}
    />
  )
}

// useKnownActors gives everybody who made one of the changes that were read, with the name that the log gives, and all tokens that may have made
// others, as far as this person may list them.
function useKnownActors(project: string, chosen: string | undefined): Who[] {
  const queries = useQueryClient()
  const session = useSession()
  const newest = useQuery(newestQuery(project, {}))
  const tokens = useQuery({ ...tokensQuery(project), enabled: session.kind === 'in' && session.principal.role === 'admin' })
  const read = queries.getQueryData(logQuery(project, {}).queryKey)
  const all = new Map<string, Who>(chosen ? [[chosen, { actor: chosen }]] : [])
  for (const t of tokens.data ?? []) if (t.kind === 'admin' || t.kind === 'kill') all.set(`token:${t.id}`, { actor: `token:${t.id}`, actorName: t.name })
  for (const e of [...(read?.pages ?? []).flatMap((p) => p.items), ...(newest.data?.items ?? [])]) all.set(e.actor, e)
  return [...all.values()].toSorted((a, b) => (a.actorName ?? a.actor).localeCompare(b.actorName ?? b.actor))
}

function List({ project, filter, name }: Named & { filter: LogFilter }) {
  const list = useInfiniteQuery(logQuery(project, filter))
  const seen = useFresh(project, filter)
  const items = useMemo(() => list.data?.pages.flatMap((p) => p.items) ?? [], [list.data])
  const filtered = Object.keys(filter).length > 0
  if (list.isPending) return <RowsSkeleton rows={10} label="Loading the log" />
  if (list.isError && items.length === 0) return <ProblemAlert error={list.error} retry={() => void list.refetch()} />
  return (
    <>
      {items.length > 0 && <Entries project={project} items={items} name={name} seen={seen} />}
      {items.length === 0 && !list.hasNextPage && (filtered ? <NoMatch /> : <Nothing project={project} />)}
      {list.isFetchNextPageError && <ProblemAlert error={list.error} retry={() => void list.fetchNextPage()} />}
      {list.hasNextPage && !list.isFetchNextPageError && (
        <div className={classes.more}>
          <Button loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {items.length === 0 ? 'Search further back' : 'Show older'}
          </Button>
          {items.length === 0 && <span>Nothing in the newest 5,000 changes.</span>}
        </div>
      )}
    </>
  )
}

function NoMatch() {
  return <Empty title="No change like that">Nothing that this project’s log still holds fits the filter. The flag is given by its exact key.</Empty>
}

function Nothing({ project }: { project: string }) {
  return (
    <Empty title="Nothing has been changed yet" command={`dimmer flags create my-first-flag -p ${project}`}>
      Create a flag, and it is the first entry here.
    </Empty>
  )
}

// useFresh puts in front of the list what others change meanwhile. It gives the newest revision that the person had when the list was opened.
function useFresh(project: string, filter: LogFilter): number | undefined {
  const queries = useQueryClient()
  const newest = useQuery(newestQuery(project, filter))
  const opened = useRef<number>(undefined)
  const key = logQuery(project, filter).queryKey
  const list = queries.getQueryData(key)
  if (opened.current === undefined && list) opened.current = list.pages[0]?.items[0]?.revision ?? 0
  useEffect(() => {
    const list = queries.getQueryData(key)
    if (!newest.data || !list) return
    const next = prepend(list, newest.data)
    if (next === undefined) void queries.resetQueries({ queryKey: key, exact: true })
    else if (next !== list) queries.setQueryData(key, next)
    // The key follows from the project and the filter, for which the component is made anew.
  }, [newest.data, queries])
  return opened.current
}

function ExportButton({ project, filter, name }: Named & { filter: LogFilter }) {
  const [state, setState] = useState<{ n: number; stop: AbortController }>()
  useEffect(() => () => state?.stop.abort(), [state?.stop])
  const run = async () => {
    const stop = new AbortController()
    setState({ n: 0, stop })
    try {
      let total = 0
      const file = await exportLog(project, filter, name, (n) => setState({ n: (total = n), stop }), stop.signal)
      download(file, `dimmer-${project}-log-${new Date().toISOString().slice(0, 10)}.csv`)
      toast(`Exported ${plural(total, 'change')}`)
    } catch (err) {
      if (!stop.signal.aborted) toast(`The export failed: ${asProblem(err).message}`, { tone: 'bad' })
    }
    setState(undefined)
  }
  if (!state) return <Button onClick={() => void run()}>Export CSV</Button>
  return (
    <Button onClick={() => state.stop.abort()} aria-live="polite">
      {count(state.n)} … Stop
    </Button>
  )
}

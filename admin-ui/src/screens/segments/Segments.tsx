import { Button, TextInput, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { ProblemError } from '../../api/problem'
import { keys } from '../../api/queries'
import { type Segment, createSegment, segmentsQuery } from '../../api/segments'
import { useMay } from '../../app/rights'
import { ActDialog } from '../../components/ActDialog'
import { type Column, DataTable } from '../../components/DataTable'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RelativeTime } from '../../components/RelativeTime'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { Sentence } from '../../components/Sentence'
import { Toolbar } from '../../components/Toolbar'
import { PlusIcon, SearchIcon } from '../../components/icons'
import { keyError } from '../../components/key'
import { count, plural } from '../../components/time'
import { conditionParts } from '../../lib/sentence'
import classes from './Segments.module.css'

const route = getRouteApi('/p/$project/segments')
const step = 200

export function Segments() {
  const { project } = route.useParams()
  const { q = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const [creating, setCreating] = useState(false)
  const [shown, setShown] = useState(step)
  const list = useQuery(segmentsQuery(project))
  const needle = q.trim().toLowerCase()
  const found = (list.data ?? []).filter((s) => [s.key, s.name, s.description].some((text) => (text ?? '').toLowerCase().includes(needle)))
  const create = useMay('editor') && (
    <Button variant="primary" leftSection={<PlusIcon size={16} />} onClick={() => setCreating(true)}>
      New segment
    </Button>
  )
  return (
    <Page title="Segments" lead="Named groups of people or things that rules refer to. Change one, and every flag that uses it follows." actions={create}>
      {list.isPending && <RowsSkeleton label="Loading the segments" />}
      {list.isError && <ProblemAlert error={list.error} retry={() => void list.refetch()} />}
      {list.data?.length === 0 && (
        <Empty title="No segments yet" action={create} command={createCommand(project)}>
          A segment says once who is meant, by a condition or by a list of keys, and is then used in the rules of any flag.
        </Empty>
      )}
      {list.data && list.data.length > 0 && (
        <>
          <Toolbar label="Filter the segments" end={`${count(found.length)} of ${count(list.data.length)}`}>
            <TextInput
              aria-label="Search by key, name or description"
              placeholder="Key, name, description"
              leftSection={<SearchIcon size={16} />}
              value={q}
              onChange={(e) => {
                const text = e.currentTarget.value
                void navigate({ search: text ? { q: text } : {}, replace: true })
              }}
            />
          </Toolbar>
          {found.length === 0 ? (
            <Empty title="No segment like that" action={<Button onClick={() => void navigate({ search: {} })}>Show all</Button>} />
          ) : (
            <DataTable label="Segments" columns={columnsOf(project)} items={found.slice(0, shown)} id={(s) => s.key} />
          )}
          {found.length > shown && (
            <Button mt="sm" onClick={() => setShown(shown + step)}>
              Show {count(Math.min(step, found.length - shown))} more of {count(found.length - shown)}
            </Button>
          )}
        </>
      )}
      {creating && <CreateSegment project={project} taken={list.data ?? []} onClose={() => setCreating(false)} />}
    </Page>
  )
}

function createCommand(project: string): string {
  return `curl -H "Authorization: Bearer $DIMMER_TOKEN" -H "Content-Type: application/json" ${location.origin}/v1/projects/${project}/segments -d '{"key":"employees","when":{"attribute":"email","op":"endsWith","values":["@example.com"]}}'`
}

function columnsOf(project: string): Column<Segment>[] {
  return [
    {
      key: 'segment',
      title: 'Segment',
      bare: true,
      cell: (s) => (
        <div className={classes.name}>
          <span>
            <Link to="/p/$project/segments/$segment" params={{ project, segment: s.key }}>
              {s.key}
            </Link>
            {s.name && <span className={classes.dim}> {s.name}</span>}
          </span>
          {s.description && <span className={classes.description}>{s.description}</span>}
        </div>
      ),
    },
    { key: 'who', title: 'Who is in it', cell: (s) => <Who segment={s} /> },
    { key: 'updated', title: 'Changed', cell: (s) => s.updatedAt && <RelativeTime at={s.updatedAt} /> },
  ]
}

// Who says in a sentence who is in a segment, but for the lists, which differ from one environment to another.
export function Who({ segment, most = 4 }: { segment: Segment; most?: number }) {
  const size = (side: Record<string, string[]> | undefined) => Object.values(side ?? {}).reduce((n, k) => n + k.length, 0)
  const [included, excluded] = [size(segment.include), size(segment.exclude)]
  return (
    <span>
      {segment.when ? <Sentence parts={conditionParts(segment.when, { most })} /> : <span className={classes.dim}>only those who are listed</span>}
      {included > 0 && <span className={classes.dim}> · {plural(included, 'key')} included</span>}
      {excluded > 0 && <span className={classes.dim}> · {plural(excluded, 'key')} excluded</span>}
    </span>
  )
}

class Incomplete extends Error {}

function CreateSegment({ project, taken, onClose }: { project: string; taken: readonly Segment[]; onClose: () => void }) {
  const queries = useQueryClient()
  const navigate = route.useNavigate()
  const [now, setNow] = useState<Segment>({ key: '', name: '', description: '' })
  const [fields, setFields] = useState<Record<string, string>>({})
  const set = (change: Partial<Segment>) => setNow((s) => ({ ...s, ...change }))
  const problem = now.key === '' ? undefined : taken.some((s) => s.key === now.key) ? 'There is a segment with this key' : keyError(now.key)
  const act = async (reason: string) => {
    setFields(now.key ? {} : { '/key': 'A key is needed: rules refer to it' })
    if (!now.key || problem) throw new Incomplete()
    try {
      await createSegment(project, now, reason)
    } catch (err) {
      if (err instanceof ProblemError) setFields(err.fields)
      throw err
    }
    void queries.invalidateQueries({ queryKey: keys.segments(project) })
    await navigate({ to: '/p/$project/segments/$segment', params: { project, segment: now.key } })
  }
  const beside = (err: unknown) => err instanceof Incomplete || (err instanceof ProblemError && ['/key', '/name', '/description'].some((p) => p in err.fields))
  return (
    <ActDialog title="New segment" act="Create" onAct={act} onClose={onClose} explain={(err) => (beside(err) ? <></> : undefined)}>
      <TextInput label="Key" description="Rules refer to it; it cannot change." placeholder="beta-testers" required classNames={{ input: 'mono' }} value={now.key} onChange={(e) => set({ key: e.currentTarget.value.trim() })} error={problem ?? fields['/key']} data-autofocus autoComplete="off" spellCheck={false} />
      <TextInput label="Name" placeholder="Beta testers" value={now.name ?? ''} onChange={(e) => set({ name: e.currentTarget.value })} error={fields['/name']} maxLength={256} />
      <Textarea label="Description" autosize minRows={2} maxRows={6} value={now.description ?? ''} onChange={(e) => set({ description: e.currentTarget.value })} error={fields['/description']} maxLength={4096} />
      <p className={classes.dim}>Who is in it is said on its page, next. Until then nobody is.</p>
    </ActDialog>
  )
}

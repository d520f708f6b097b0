import { Button, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { instancesQuery } from '../../api/queries'
import type { Schemas } from '../../api/client'
import { Choice } from '../../components/Choice'
import { type Column, DataTable } from '../../components/DataTable'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RelativeTime } from '../../components/RelativeTime'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { Section } from '../../components/Section'
import { type Shape, StateMark } from '../../components/StateMark'
import { Toolbar } from '../../components/Toolbar'
import { SearchIcon, WarningIcon } from '../../components/icons'
import { useLastError } from '../../components/lastError'
import { count } from '../../components/time'
import classes from './Instances.module.css'
import { type Instance, type InstanceState, type Totals, filtered, ordered, totals, verdict, versions } from './totals'

const route = getRouteApi('/p/$project/instances')

// Acknowledgements make no revision, so that the event stream does not tell of them: the list is read again while it is looked at.
const every = 2000
// So many rows are drawn at once; more on demand.
const step = 200

export function Instances() {
  const { project } = route.useParams()
  const list = useQuery({ ...instancesQuery(project), refetchInterval: every, staleTime: 0 })
  const { data } = list
  const failed = useLastError(list)
  return (
    <Page title="Instances" lead="SDK processes connected now or in the last ten minutes, and the revision that each has acknowledged.">
      {(failed ?? list.error) !== null && <ProblemAlert error={failed ?? list.error} retry={() => void list.refetch()} />}
      {list.isPending && failed === null && <RowsSkeleton label="Loading the instances" />}
      {data && (data.items.length === 0 ? <NoInstances project={project} nodes={data.nodes} /> : <Known items={data.items} nodes={data.nodes} truncated={data.truncated ?? false} />)}
    </Page>
  )
}

function NoInstances({ project, nodes }: { project: string; nodes: Schemas['Node'][] }) {
  return (
    <>
      <Empty title="No SDK is connected" command={`dimmer tokens create "my service" --kind server -e production -p ${project}`}>
        Make a token for an environment, give it to a process as <code>DIMMER_SDK_TOKEN</code>, and it shows up here within a second, with what it has acknowledged.
      </Empty>
      {nodes.length > 0 && <Nodes nodes={nodes} />}
    </>
  )
}

function Known({ items, nodes, truncated }: { items: Instance[]; nodes: Schemas['Node'][]; truncated: boolean }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const [shown, setShown] = useState(step)
  const all = useMemo(() => ordered(items), [items])
  const inEnvironment = useMemo(() => filtered(all, { env: search.env, q: search.q }), [all, search.env, search.q])
  const found = useMemo(() => filtered(inEnvironment, { state: search.state }), [inEnvironment, search.state])
  const sum = totals(inEnvironment)
  const set = (change: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, ...change }), replace: true })
  return (
    <>
      <Summary sum={totals(items)} truncated={truncated} items={items} />
      <Toolbar label="Filter the instances" end={`${count(found.length)} of ${count(items.length)}${truncated ? '+' : ''}`}>
        <TextInput
          aria-label="Search by name, application, SDK or node"
          placeholder="Name, application, SDK, node"
          leftSection={<SearchIcon size={16} />}
          value={search.q ?? ''}
          onChange={(event) => set({ q: event.currentTarget.value || undefined })}
        />
        <Choice
          label="State"
          value={search.state ?? ''}
          onChange={(state) => set({ state: state || undefined })}
          options={[
            { value: '', label: 'All' },
            ...(['connected', 'behind', 'lost'] as const).map((state) => ({
              value: state,
              label: (
                <>
                  {states[state].word} <b>{count(sum[state])}</b>
                </>
              ),
            })),
          ]}
        />
      </Toolbar>
      {found.length === 0 ? (
        <Empty title="None like that" action={<Button onClick={() => set({ q: undefined, env: undefined, state: undefined })}>Show all</Button>}>
          {sum.all > 0 ? 'There are others in another state.' : 'Nothing that is connected fits the filter.'}
        </Empty>
      ) : (
        <>
          <DataTable label="Instances" columns={columns} items={found.slice(0, shown)} id={(i) => `${i.environment} ${i.instance}`} />
          {found.length > shown && (
            <Button mt="sm" onClick={() => setShown(shown + step)}>
              Show {count(Math.min(step, found.length - shown))} more of {count(found.length - shown)}
            </Button>
          )}
        </>
      )}
      <Nodes nodes={nodes} />
    </>
  )
}

const states: Record<InstanceState, { shape: Shape; tone: 'safe' | 'plain'; word: string }> = {
  connected: { shape: 'full', tone: 'safe', word: 'connected' },
  behind: { shape: 'half', tone: 'plain', word: 'behind' },
  lost: { shape: 'cross', tone: 'plain', word: 'lost' },
}

const columns: Column<Instance>[] = [
  {
    key: 'state',
    title: 'State',
    cell: ({ state }) => (
      <StateMark shape={states[state].shape} tone={states[state].tone}>
        {states[state].word}
      </StateMark>
    ),
  },
  { key: 'instance', title: 'Instance', cell: (i) => <span className="mono">{i.instance}</span> },
  { key: 'application', title: 'Application', cell: (i) => i.application ?? <Unknown /> },
  { key: 'environment', title: 'Environment', cell: (i) => i.environment },
  { key: 'sdk', title: 'SDK', cell: (i) => (i.sdk ? `${i.sdk} ${i.sdkVersion ?? ''}` : <Unknown />) },
  { key: 'node', title: 'Node', cell: (i) => (i.node ? <span className="mono">{i.node}</span> : <Unknown />) },
  { key: 'revision', title: 'Revision', align: 'number', cell: (i) => (i.revision === undefined ? <Unknown /> : count(i.revision)) },
  { key: 'lag', title: 'Lag', align: 'number', cell: (i) => (i.lag ? <strong>{count(i.lag)}</strong> : '0') },
  {
    key: 'since',
    title: 'Connected',
    cell: (i) => {
      const at = i.state === 'lost' ? i.lastSeen : i.connectedAt
      return at ? <span className={classes.since}>{i.state === 'lost' ? 'last seen ' : ''}<RelativeTime at={at} short={i.state !== 'lost'} /></span> : <Unknown />
    },
  },
]

function Unknown() {
  return <span className={classes.dim}>–</span>
}

// Summary answers from two metres away whether everybody has it.
function Summary({ sum, truncated, items }: { sum: Totals; truncated: boolean; items: Instance[] }) {
  const safe = sum.connected === sum.all
  const running = versions(items)
  return (
    <div className={classes.summary}>
      <div className={classes.figure} data-safe={safe || undefined}>
        {count(sum.connected)}
        <span className={classes.of}> / {count(sum.all)}</span>
      </div>
      <div>
        <div role="status">{verdict(sum, truncated)}</div>
        <div className={classes.bar} aria-hidden>
          <i data-state="connected" style={{ flexGrow: sum.connected }} />
          <i data-state="behind" style={{ flexGrow: sum.behind }} />
          <i data-state="lost" style={{ flexGrow: sum.lost }} />
        </div>
        <ul className={classes.versions} aria-label="SDK versions">
          {running.slice(0, 6).map((v) => (
            <li key={`${v.sdk} ${v.version}`}>
              {v.sdk} {v.version} <b>{count(v.count)}</b>
            </li>
          ))}
          {running.length > 6 && <li>and {count(running.length - 6)} more versions</li>}
        </ul>
        {truncated && (
          <p className={classes.truncated}>
            <WarningIcon size={16} /> There are more than the {count(items.length)} that the server lists; those that are lost or behind come first.
          </p>
        )}
      </div>
    </div>
  )
}

function Nodes({ nodes }: { nodes: Schemas['Node'][] }) {
  const newest = Math.max(0, ...nodes.map((n) => n.revision))
  const nodeColumns: Column<Schemas['Node']>[] = [
    { key: 'node', title: 'Node', cell: (n) => <span className="mono">{n.node}</span> },
    {
      key: 'state',
      title: 'State',
      cell: (n) =>
        n.revision >= newest ? (
          <StateMark shape="full" tone="safe">
            serves the newest
          </StateMark>
        ) : (
          <StateMark shape="half">{`${count(newest - n.revision)} behind`}</StateMark>
        ),
    },
    { key: 'revision', title: 'Revision', align: 'number', cell: (n) => count(n.revision) },
    { key: 'instances', title: 'Instances', align: 'number', cell: (n) => count(n.instances) },
    { key: 'seen', title: 'Last seen', cell: (n) => (n.lastSeen ? <RelativeTime at={n.lastSeen} /> : <Unknown />) },
  ]
  return (
    <Section title="Nodes" count={nodes.length}>
      <DataTable label="Nodes" columns={nodeColumns} items={nodes} id={(n) => n.node} />
    </Section>
  )
}

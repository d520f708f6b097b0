import { Button } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { Environment } from '../../api/environments'
import { environmentsQuery, flagsQuery, instancesQuery } from '../../api/queries'
import { useMay } from '../../app/rights'
import { type Column, DataTable } from '../../components/DataTable'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { PlusIcon } from '../../components/icons'
import { count, plural } from '../../components/time'
import { Compare } from './Compare'
import { DeleteEnvironment } from './DeleteEnvironment'
import { EnvironmentDialog } from './EnvironmentDialog'
import classes from './Environments.module.css'
import { formatPair, parsePair } from './compare'
import { countStates } from './counts'

const route = getRouteApi('/p/$project/environments')

type Act = { kind: 'create' } | { kind: 'edit'; environment: Environment } | { kind: 'delete'; environment: Environment }

export function Environments() {
  const { project } = route.useParams()
  const { compare } = route.useSearch()
  const list = useQuery(environmentsQuery(project))
  const pair = parsePair(compare)
  if (list.data && pair) return <Compare key={compare} project={project} environments={list.data} left={pair[0]} right={pair[1]} />
  return <All project={project} list={list} />
}

function All({ project, list }: { project: string; list: ReturnType<typeof useQuery<unknown, Error, Environment[]>> }) {
  const [act, setAct] = useState<Act>()
  const navigate = route.useNavigate()
  const may = useMay('admin')
  const close = () => setAct(undefined)
  const environments = list.data ?? []
  // The two that most people mean: what comes last before production, and production.
  const right = environments.find((e) => e.production) ?? environments.at(-1)
  const left = environments.filter((e) => e !== right).at(-1)
  return (
    <Page
      title="Environments"
      lead="Each serves its own targeting of every flag. Flags, variants and segments are the same in all of them."
      actions={
        <>
          {left && right && <Button onClick={() => void navigate({ search: { compare: formatPair(left.key, right.key) } })}>Compare</Button>}
          {may && (
            <Button variant="primary" leftSection={<PlusIcon size={16} />} onClick={() => setAct({ kind: 'create' })}>
              New environment
            </Button>
          )}
        </>
      }
    >
      {list.isPending && <RowsSkeleton rows={3} label="Loading the environments" />}
      {list.isError && <ProblemAlert error={list.error} retry={() => void list.refetch()} />}
      {list.data?.length === 0 && (
        <Empty title="No environment" action={may && <Button onClick={() => setAct({ kind: 'create' })}>Create production</Button>} command={createCommand(project)}>
          Flags are served in environments. Most projects have production, and one before it.
        </Empty>
      )}
      {environments.length > 0 && <EnvironmentTable project={project} environments={environments} onAct={setAct} />}
      {act?.kind === 'create' && <EnvironmentDialog project={project} others={environments} onClose={close} />}
      {act?.kind === 'edit' && <EnvironmentDialog project={project} others={environments} environment={act.environment} onClose={close} />}
      {act?.kind === 'delete' && <DeleteEnvironment project={project} environment={act.environment} onClose={close} />}
    </Page>
  )
}

function createCommand(project: string): string {
  return `curl -H "Authorization: Bearer $DIMMER_TOKEN" -H "Content-Type: application/json" ${location.origin}/v1/projects/${project}/environments -d '{"key":"production","production":true}'`
}

function EnvironmentTable({ project, environments, onAct }: { project: string; environments: Environment[]; onAct: (act: Act) => void }) {
  const flags = useAllFlags(project)
  const instances = useQuery(instancesQuery(project))
  const may = useMay('admin')
  const columns: Column<Environment>[] = [
    {
      key: 'name',
      title: 'Environment',
      bare: true,
      cell: (e) => (
        <div className={classes.name}>
          <span>
            <b>{e.name || e.key}</b> {e.name && <span className={`mono ${classes.dim}`}>{e.key}</span>} {e.production && <span className={classes.production}>production</span>}
          </span>
          {e.description && <span className={classes.dim}>{e.description}</span>}
        </div>
      ),
    },
    {
      key: 'flags',
      title: 'Flags',
      cell: (e) => {
        if (!flags) return <span className={classes.dim}>…</span>
        const n = countStates(flags, e.key)
        return (
          <>
            {count(n.lit)} lit <span className={classes.dim}>of {count(n.all)}</span>
            {n.killed > 0 && <span className={classes.killed}> · {count(n.killed)} killed</span>}
          </>
        )
      },
    },
    {
      key: 'instances',
      title: 'Instances',
      align: 'number',
      cell: (e) => {
        if (!instances.data) return <span className={classes.dim}>…</span>
        const n = instances.data.items.filter((i) => i.environment === e.key && i.state !== 'lost').length
        return `${count(n)}${instances.data.truncated ? '+' : ''}`
      },
    },
    {
      key: 'acts',
      title: 'Acts',
      align: 'acts',
      bare: true,
      cell: (e) => may && (
        <span className={classes.acts}>
          <Button size="compact-sm" aria-label={`Edit ${e.key}`} onClick={() => onAct({ kind: 'edit', environment: e })}>
            Edit
          </Button>
          <Button size="compact-sm" aria-label={`Delete ${e.key}`} onClick={() => onAct({ kind: 'delete', environment: e })}>
            Delete
          </Button>
        </span>
      ),
    },
  ]
  return (
    <>
      <DataTable label="Environments" columns={columns} items={environments} id={(e) => e.key} />
      <p className={classes.dim}>{plural(environments.length, 'environment')} of at most 100.</p>
    </>
  )
}

// useAllFlags reads the whole list, page after page; undefined until it is complete.
function useAllFlags(project: string) {
  const list = useInfiniteQuery(flagsQuery(project))
  const { hasNextPage, isFetching, fetchNextPage } = list
  useEffect(() => {
    if (hasNextPage && !isFetching) void fetchNextPage()
  }, [hasNextPage, isFetching, fetchNextPage])
  return list.data && !list.hasNextPage ? list.data.pages.flatMap((p) => p.items) : undefined
}

import { Button } from '@mantine/core'
import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { Environment } from '../../api/environments'
import { environmentsQuery, keys } from '../../api/queries'
import { type SegmentEnvironment, segmentEnvironmentQuery, setActive } from '../../api/segments'
import { defaultEnvironment } from '../../app/environment'
import { useMay } from '../../app/rights'
import { ActDialog } from '../../components/ActDialog'
import { Choice } from '../../components/Choice'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { Section } from '../../components/Section'
import { StateMark } from '../../components/StateMark'
import { count } from '../../components/time'
import { toast } from '../../components/toast'
import { List } from './List'
import classes from './Segments.module.css'

const route = getRouteApi('/p/$project/segments/$segment')

// Lists is what a segment has in each environment: whether it is active, and its lists of keys.
export function Lists({ project, segment }: { project: string; segment: string }) {
  const { env } = route.useSearch()
  const navigate = route.useNavigate()
  const { data: environments = [], error, isPending, refetch } = useQuery(environmentsQuery(project))
  const all = useQueries({ queries: environments.map((e) => segmentEnvironmentQuery(project, segment, e.key)) })
  const shown = environments.find((e) => e.key === env) ?? defaultEnvironment(environments)
  const at = environments.findIndex((e) => e === shown)
  const one = all[at]
  return (
    <Section title="In each environment">
      {isPending && <RowsSkeleton rows={3} label="Loading the environments" />}
      {error && <ProblemAlert error={error} retry={() => void refetch()} />}
      {shown && (
        <Choice
          label="Environment"
          value={shown.key}
          onChange={(key) => void navigate({ search: { env: key }, replace: true })}
          options={environments.map((e, i) => ({ value: e.key, label: <Tab environment={e} state={all[i]?.data} /> }))}
        />
      )}
      {shown && one?.error && <ProblemAlert error={one.error} retry={() => void one.refetch()} />}
      {shown && one?.isPending && <RowsSkeleton rows={4} label={`Loading the lists of ${shown.key}`} />}
      {shown && one?.data && <Shown key={shown.key} project={project} segment={segment} environment={shown} state={one.data} />}
    </Section>
  )
}

function Tab({ environment, state }: { environment: Environment; state: SegmentEnvironment | undefined }) {
  const n = (state?.include?.count ?? 0) + (state?.exclude?.count ?? 0)
  return (
    <>
      {environment.name || environment.key}
      {state && state.active === false && <StateMark shape="ring">not active</StateMark>}
      {n > 0 && <b>{count(n)}</b>}
    </>
  )
}

function Shown({ project, segment, environment, state }: { project: string; segment: string; environment: Environment; state: SegmentEnvironment }) {
  const [switching, setSwitching] = useState(false)
  const active = state.active ?? false
  const may = useMay('editor')
  return (
    <div className={classes.shown}>
      <div className={classes.switch}>
        {active ? (
          <StateMark shape="full">active</StateMark>
        ) : (
          <StateMark shape="ring">not active</StateMark>
        )}
        <span className={classes.dim}>{active ? 'Rules of this environment ask who is in it.' : 'Nobody is in it here, whatever its condition and its lists say.'}</span>
        {may && (
          <Button size="compact-sm" onClick={() => setSwitching(true)}>
            {active ? 'Deactivate…' : 'Activate…'}
          </Button>
        )}
      </div>
      <div className={classes.lists}>
        <List project={project} segment={segment} environment={environment.key} side="include" list={state.include} />
        <List project={project} segment={segment} environment={environment.key} side="exclude" list={state.exclude} />
      </div>
      {switching && <Switch project={project} segment={segment} environment={environment} state={state} onClose={() => setSwitching(false)} />}
    </div>
  )
}

function Switch({ project, segment, environment, state, onClose }: { project: string; segment: string; environment: Environment; state: SegmentEnvironment; onClose: () => void }) {
  const queries = useQueryClient()
  const active = !state.active
  const name = environment.name || environment.key
  const write = (to: boolean, version: number | undefined, reason: string) => setActive(project, segment, environment.key, to, version, reason)
  const refresh = () => queries.invalidateQueries({ queryKey: keys.segment(project, segment) })
  const act = async (reason: string) => {
    const { data } = await write(active, state.version, reason)
    await refresh()
    toast(`${active ? 'Activated' : 'Deactivated'} ${segment} in ${name}`, {
      undo: async () => {
        await write(!active, data.version, `undo: ${active ? 'activated' : 'deactivated'}`)
        await refresh()
      },
    })
    onClose()
  }
  return (
    <ActDialog title={`${active ? 'Activate' : 'Deactivate'} ${segment} in ${name}?`} act={active ? 'Activate' : 'Deactivate'} onAct={act} onClose={onClose}>
      <p>
        {active
          ? `Rules that ask for it mean those again whom its condition and its lists name.`
          : `Nobody is in it then: a rule “in segment ${segment}” meets nobody, and one “not in segment” everybody. Its condition and its lists are kept.`}
      </p>
    </ActDialog>
  )
}

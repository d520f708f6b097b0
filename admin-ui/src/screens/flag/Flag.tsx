import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useBlocker } from '@tanstack/react-router'
import { useState } from 'react'
import { type Place, flagOf, targetingOf } from '../../api/flag'
import { environmentsQuery } from '../../api/queries'
import { defaultEnvironment } from '../../app/environment'
import { useSession } from '../../app/session'
import { ActDialog } from '../../components/ActDialog'
import { NoEnvironment } from '../../components/NoEnvironment'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { diffTargeting, lineText } from '../../lib/diff'
import type { Flag as Definition } from '../../lib/model'
import { Evaluate } from './Evaluate'
import classes from './Flag.module.css'
import { About, Acts } from './Head'
import { History } from './History'
import { Killed } from './Killed'
import { EnvironmentTabs, PartTabs } from './Tabs'
import { type Draft, Targeting } from './Targeting'

const route = getRouteApi('/p/$project/flags/$flag')

// Flag is the page of one flag: what it is, and what it does in one environment.
export function Flag() {
  const { project, flag } = route.useParams()
  const { env } = route.useSearch()
  const definition = useQuery(flagOf(project, flag))
  const environments = useQuery(environmentsQuery(project))
  const failed = definition.error ?? environments.error
  if (failed) return <ProblemPage error={failed} flag={flag} retry={() => void definition.refetch()} />
  if (!definition.data || !environments.data) return <Waiting flag={flag} />
  const shown = environments.data.find((e) => e.key === env) ?? defaultEnvironment(environments.data)
  if (!shown) return <Nowhere project={project} flag={definition.data} />
  // Another flag is another page: no draft of the one may be saved to the other.
  return <Loaded key={`${project}/${flag}`} at={{ project, flag, environment: shown.key }} flag={definition.data} />
}

function Loaded({ at, flag }: { at: Place; flag: Definition }) {
  const { tab = 'targeting' } = route.useSearch()
  const [drafts, setDrafts] = useState<Readonly<Record<string, Draft>>>({})
  const session = useSession()
  const targeting = useQuery(targetingOf(at))
  const edited = drafts[at.environment]
  const edit = (next: Draft | undefined) =>
    setDrafts(({ [at.environment]: _, ...others }) => (next ? { ...others, [at.environment]: next } : others))
  const viewer = session.kind === 'in' && session.principal.role === 'viewer'
  return (
    <Page
      title={
        <>
          <bdi>{flag.name || flag.key}</bdi>
          {flag.name && flag.name !== flag.key && <span className={classes.key}>{flag.key}</span>}
        </>
      }
      actions={<Acts at={at} flag={flag} killed={targeting.data?.killed ?? false} readOnly={viewer} />}
    >
      <div data-editor className={classes.page}>
        <About flag={flag} />
        <EnvironmentTabs at={at} archived={flag.archived ?? false} edited={Object.keys(drafts)} />
        {viewer && <p className={classes.note}>You may look and not change: your role is viewer.</p>}
        <Killed at={at} targeting={targeting.data} readOnly={viewer} />
        <PartTabs at={at} current={tab} />
        {targeting.error ? (
          <ProblemAlert error={targeting.error} retry={() => void targeting.refetch()} />
        ) : !targeting.data ? (
          <Skeleton height={320} maw={1120} />
        ) : tab === 'history' ? (
          <History at={at} flag={flag} targeting={targeting.data} readOnly={viewer} />
        ) : tab === 'evaluate' ? (
          <Evaluate at={at} flag={flag} targeting={targeting.data} edited={edited} />
        ) : (
          <Targeting key={at.environment} at={at} flag={flag} server={targeting.data} edited={edited} onEdit={edit} readOnly={viewer || (flag.archived ?? false)} />
        )}
      </div>
      <Guard at={at} drafts={drafts} />
    </Page>
  )
}

// Guard asks before what is not saved is left behind: within the page by its environments' tabs nothing is lost, and nothing is asked.
function Guard({ at, drafts }: { at: Place; drafts: Readonly<Record<string, Draft>> }) {
  const unsaved = Object.entries(drafts)
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => unsaved.length > 0 && current.pathname !== next.pathname,
    enableBeforeUnload: () => unsaved.length > 0,
    withResolver: true,
  })
  if (blocker.status !== 'blocked') return null
  return (
    <ActDialog title={`Leave ${at.flag}?`} act="Leave without saving" reason="none" onAct={() => Promise.resolve(blocker.proceed())} onClose={() => blocker.reset()}>
      <p className={classes.plain}>These changes are not saved and would be lost:</p>
      <ul className={classes.lost}>
        {unsaved.flatMap(([environment, { base, draft }]) =>
          diffTargeting(base, draft).map((line, i) => (
            <li key={`${environment}${i}`}>
              {environment}: {lineText(line)}
            </li>
          )),
        )}
      </ul>
    </ActDialog>
  )
}

function Waiting({ flag }: { flag: string }) {
  return (
    <Page title={flag}>
      <div role="status" aria-label="Loading the flag">
        <Skeleton height={16} width={320} mb={24} />
        <Skeleton height={36} maw={640} mb={24} />
        <Skeleton height={320} maw={1120} />
      </div>
    </Page>
  )
}

function Nowhere({ project, flag }: { project: string; flag: Definition }) {
  return (
    <Page title={flag.name || flag.key}>
      <About flag={flag} />
      <NoEnvironment project={project}>The flag is there, and served nowhere yet.</NoEnvironment>
    </Page>
  )
}

function ProblemPage({ error, flag, retry }: { error: unknown; flag: string; retry: () => void }) {
  const { project } = route.useParams()
  return (
    <Page title={flag}>
      <ProblemAlert error={error} retry={retry} />
      <p>
        <route.Link to="/p/$project/flags" params={{ project }}>
          To the list of flags
        </route.Link>
      </p>
    </Page>
  )
}

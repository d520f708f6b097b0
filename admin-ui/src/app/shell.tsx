import { useMediaQuery } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Outlet, getRouteApi, useMatches, useNavigate, useRouter } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { KillDialog } from '../components/KillDialog'
import { ProblemError } from '../api/problem'
import { environmentsQuery } from '../api/queries'
import { killing } from '../components/killing'
import { useStore } from '../components/external'
import { Toasts } from '../components/Toasts'
import { type Environment, defaultEnvironment, rememberEnvironment, rememberProject, useEnvironments } from './environment'
import { NoSuchProject } from './failure'
import { follow } from './live'
import { PaletteDialog } from './PaletteDialog'
import { palette } from './palette'
import { BottomBar, Rail } from './rail'
import { session, useSession } from './session'
import classes from './shell.module.css'
import { LostBanner, StatusLine } from './status'
import { TopBar } from './topbar'

const route = getRouteApi('/p/$project')

// Shell is the frame of every screen of a project: where one is, where one can go, whether what one sees is current.
export function Shell() {
  const { project } = route.useParams()
  const retry = useFollowing(project)
  useSignOutLeads()
  useFocusFollows()
  useShortcuts()
  const production = useProduction()
  const { error } = useQuery(environmentsQuery(project))
  useEffect(() => rememberProject(project), [project])
  const refused = error instanceof ProblemError && (error.status === 403 || error.status === 404)
  const title = useTitle(project)
  return (
    <div className={classes.shell} data-production={production !== undefined || undefined}>
      <title>{title}</title>
      <a className={classes.skip} href="#content">
        Skip to content
      </a>
      <Rail project={project} />
      <TopBar project={project} production={production} />
      <LostBanner retry={retry} />
      <main id="content" className={classes.main} tabIndex={-1}>
        {refused ? <NoSuchProject error={error} /> : <Outlet />}
      </main>
      <StatusLine project={project} />
      <BottomBar project={project} />
      <section id="overlays" className={classes.overlays} aria-label="Menus" />
      <Toasts />
      <Hosted />
    </div>
  )
}

// Hosted dialogs belong to the frame, and come with it: the kill must be at hand also when nothing more can be loaded.
function Hosted() {
  const target = useStore(killing)
  const searching = useStore(palette)
  return (
    <>
      {target && <KillDialog target={target} onClose={() => killing.set(undefined)} />}
      {searching && <PaletteDialog onClose={() => palette.set(false)} />}
    </>
  )
}

// useFollowing keeps the event stream of the project that is on screen; the function tries again at once.
function useFollowing(project: string): () => void {
  const queries = useQueryClient()
  const [retry, setRetry] = useState<() => void>(() => () => undefined)
  useEffect(() => {
    const { stop, retry: again } = follow(project, queries)
    setRetry(() => again)
    return stop
  }, [project, queries])
  return retry
}

// useSignOutLeads goes to the sign-in page when the session is over, and remembers the way back.
function useSignOutLeads() {
  const state = useSession()
  const navigate = useNavigate()
  const router = useRouter()
  useEffect(() => {
    if (state.kind !== 'out') return
    void navigate({ to: '/signin', search: state.why === 'expired' ? { next: router.state.location.href } : {} })
  }, [state, navigate, router])
}

// useFocusFollows moves the focus to the content when another page is shown, so that the keyboard and the screen reader are there too.
function useFocusFollows() {
  const router = useRouter()
  useEffect(
    () =>
      router.subscribe('onResolved', ({ pathChanged, fromLocation }) => {
        const main = document.getElementById('content')
        if (!pathChanged || !fromLocation || main?.contains(document.activeElement)) return
        main?.focus({ preventScroll: true })
      }),
    [router],
  )
}

function useShortcuts() {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k' && session.get().kind === 'in') {
        event.preventDefault()
        palette.set(!palette.get())
      }
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [])
}

const titles: Record<string, string> = {
  '/p/$project/flags': 'Flags',
  '/p/$project/segments': 'Segments',
  '/p/$project/environments': 'Environments',
  '/p/$project/tokens': 'Tokens',
  '/p/$project/log': 'Log',
  '/p/$project/instances': 'Instances',
}

// useTitle is the window's: the thing that is looked at first, since tabs are narrow.
function useTitle(project: string): string {
  const page = useMatches({
    select: (matches) => {
      const last = matches.at(-1)
      const params = last?.params as { flag?: string; segment?: string } | undefined
      return params?.flag ?? params?.segment ?? titles[last?.routeId ?? ''] ?? ''
    },
  })
  return [page, project, 'Dimmer'].filter(Boolean).join(' · ')
}

// useProduction gives the environment that is on screen, if it is one alone and production.
function useProduction(): Environment | undefined {
  const { environments, named } = useEnvironments()
  const narrow = useMediaQuery('(max-width: 640px)', undefined, { getInitialValueInEffect: false }) ?? false
  const one = useMatches({
    select: (matches) => {
      const route = matches.at(-1)?.routeId
      return route === '/p/$project/flags/$flag' || (narrow && route === '/p/$project/flags')
    },
  })
  useEffect(() => {
    if (named) rememberEnvironment(named.key)
  }, [named])
  const shown = named ?? (one ? defaultEnvironment(environments) : undefined)
  return shown?.production ? shown : undefined
}

import type { QueryClient } from '@tanstack/react-query'
import {
  Outlet,
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  parseSearchWith,
  redirect,
  stringifySearchWith,
} from '@tanstack/react-router'
import { projectsQuery } from '../api/queries'
import { rememberedProject } from './environment'
import { Broken, BrokenPage, NotFound, NotFoundPage } from './failure'
import { environmentsSearch, flagSearch, flagsSearch, instancesSearch, logSearch, segmentSearch, segmentsSearch, signInSearch } from './search'
import { session } from './session'
import { Shell } from './shell'

// Each screen is a file of its own in the build, loaded when its route is. A screen reads its parameters with getRouteApi('/p/$project/…').

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ component: Outlet, notFoundComponent: NotFoundPage, errorComponent: BrokenPage })

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/signin',
  validateSearch: signInSearch,
  component: lazyRouteComponent(() => import('../screens/signin/SignIn'), 'SignIn'),
})

async function signedIn(href: string) {
  const state = await session.load()
  if (state.kind !== 'in') throw redirect({ to: '/signin', search: href === '/' ? {} : { next: href }, replace: true })
}

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: async ({ context, location }) => {
    await signedIn(location.href)
    const { items } = await context.queries.ensureQueryData(projectsQuery())
    const last = rememberedProject()
    const project = items.find((each) => each.key === last) ?? items[0]
    if (project) throw redirect({ to: '/p/$project/flags', params: { project: project.key }, replace: true })
  },
  component: lazyRouteComponent(() => import('../screens/signin/NoProject'), 'NoProject'),
})

const project = createRoute({
  getParentRoute: () => root,
  path: '/p/$project',
  beforeLoad: ({ location }) => signedIn(location.href),
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: BrokenPage,
})

const projectHome = createRoute({
  getParentRoute: () => project,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/p/$project/flags', params, replace: true })
  },
})

const flags = createRoute({
  getParentRoute: () => project,
  path: 'flags',
  validateSearch: flagsSearch,
  component: lazyRouteComponent(() => import('../screens/flags/Flags'), 'Flags'),
})

const flag = createRoute({
  getParentRoute: () => project,
  path: 'flags/$flag',
  validateSearch: flagSearch,
  component: lazyRouteComponent(() => import('../screens/flag/Flag'), 'Flag'),
})

const segments = createRoute({
  getParentRoute: () => project,
  path: 'segments',
  validateSearch: segmentsSearch,
  component: lazyRouteComponent(() => import('../screens/segments/Segments'), 'Segments'),
})

const segment = createRoute({
  getParentRoute: () => project,
  path: 'segments/$segment',
  validateSearch: segmentSearch,
  component: lazyRouteComponent(() => import('../screens/segments/Segment'), 'Segment'),
})

const environments = createRoute({
  getParentRoute: () => project,
  path: 'environments',
  validateSearch: environmentsSearch,
  component: lazyRouteComponent(() => import('../screens/environments/Environments'), 'Environments'),
})

const tokens = createRoute({
  getParentRoute: () => project,
  path: 'tokens',
  component: lazyRouteComponent(() => import('../screens/tokens/Tokens'), 'Tokens'),
})

const log = createRoute({
  getParentRoute: () => project,
  path: 'log',
  validateSearch: logSearch,
  component: lazyRouteComponent(() => import('../screens/log/Log'), 'Log'),
})

const instances = createRoute({
  getParentRoute: () => project,
  path: 'instances',
  validateSearch: instancesSearch,
  component: lazyRouteComponent(() => import('../screens/instances/Instances'), 'Instances'),
})

const tree = root.addChildren([
  home,
  signIn,
  project.addChildren([projectHome, flags, flag, segments, segment, environments, tokens, log, instances]),
])

export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    defaultPreload: 'intent',
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: NotFound,
    parseSearch: parseSearchWith((text) => text),
    stringifySearch: stringifySearchWith(String),
    scrollRestoration: false,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}

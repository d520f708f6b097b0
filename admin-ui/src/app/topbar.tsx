import { ActionIcon, Menu, UnstyledButton, useMantineColorScheme } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useMatches, useNavigate } from '@tanstack/react-router'
import { projectsQuery } from '../api/queries'
import { asProblem } from '../api/problem'
import { CheckIcon, ChevronIcon, PersonIcon, SearchIcon } from '../components/icons'
import { toast } from '../components/toast'
import { type Environment, defaultEnvironment, useEnvironments } from './environment'
import { palette } from './palette'
import { session, useSession } from './session'
import classes from './topbar.module.css'

const mac = /Mac|iPhone|iPad/.test(navigator.userAgent)

export function TopBar({ project, production }: { project: string; production: Environment | undefined }) {
  const shown = production?.name || production?.key || ''
  return (
    <header className={classes.bar}>
      <ProjectSwitch project={project} />
      <EnvironmentSwitch />
      {production && !/prod/i.test(shown) && <span className={classes.production}>production</span>}
      <UnstyledButton className={classes.search} onClick={() => palette.set(true)} aria-keyshortcuts="Control+K Meta+K">
        <SearchIcon size={16} />
        <span className={classes.searchText}>Find or act</span>
        <kbd className={classes.kbd} aria-hidden="true">{mac ? '⌘K' : 'Ctrl K'}</kbd>
      </UnstyledButton>
      <AccountMenu />
    </header>
  )
}

function ProjectSwitch({ project }: { project: string }) {
  const navigate = useNavigate()
  const { data: projects = [] } = useQuery(projectsQuery())
  const current = projects.find((each) => each.key === project)
  return (
    <Switch label="Project" text={current?.name || project}>
      {projects.map((each) => (
        <Menu.Item
          key={each.key}
          rightSection={each.key === project && <CheckIcon size={16} />}
          onClick={() => void navigate({ to: '/p/$project/flags', params: { project: each.key } })}
        >
          {each.name || each.key}
        </Menu.Item>
      ))}
    </Switch>
  )
}

// Pages that show one environment, or can be narrowed to one; the URL says which (?env=).
const withOne = '/p/$project/flags/$flag'
const flags = '/p/$project/flags'
const withAny = [flags, '/p/$project/log', '/p/$project/instances']

function EnvironmentSwitch() {
  const navigate = useNavigate()
  const route = useMatches({ select: (matches) => matches.at(-1)?.routeId ?? '' })
  const { environments, named } = useEnvironments()
  // A phone shows one environment of the flags at a time.
  const narrow = useMediaQuery('(max-width: 640px)', undefined, { getInitialValueInEffect: false }) ?? false
  const one = route === withOne || (narrow && route === flags)
  if (!one && !withAny.includes(route)) return null
  const shown = named ?? (one ? defaultEnvironment(environments) : undefined)
  const choose = (env: string | undefined) =>
    void navigate({ to: '.', search: (before: Record<string, unknown>) => ({ ...before, env }) as never })
  return (
    <>
      <span className={classes.slash} aria-hidden="true">
        /
      </span>
      <Switch label="Environment" text={shown ? shown.name || shown.key : 'All environments'}>
        {!one && (
          <Menu.Item rightSection={!shown && <CheckIcon size={16} />} onClick={() => choose(undefined)}>
            All environments
          </Menu.Item>
        )}
        {environments.map((each) => (
          <Menu.Item key={each.key} rightSection={shown?.key === each.key && <CheckIcon size={16} />} onClick={() => choose(each.key)}>
            {each.name || each.key}
            {each.production && <span className={classes.productionWord}> production</span>}
          </Menu.Item>
        ))}
      </Switch>
    </>
  )
}

function Switch({ label, text, children }: { label: string; text: string; children: React.ReactNode }) {
  return (
    <Menu position="bottom-start" width={240}>
      <Menu.Target>
        <UnstyledButton className={classes.switch} aria-label={`${label}: ${text}`}>
          <span className={classes.switchText}>{text}</span>
          <ChevronIcon size={14} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  )
}

const schemes = [
  { value: 'dark', name: 'Dark' },
  { value: 'light', name: 'Light' },
  { value: 'auto', name: 'As the system has it' },
] as const

function AccountMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const state = useSession()
  const signOut = () => void session.signOut().catch((err: unknown) => toast(asProblem(err).message, { tone: 'bad' }))
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Account and appearance" className={classes.account}>
          <PersonIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {state.kind === 'in' && (
          <div className={classes.who}>
            <strong>{state.principal.name || state.principal.id}</strong>
            <span>{[state.principal.kind, state.principal.role].filter(Boolean).join(' · ')}</span>
          </div>
        )}
        <Menu.Divider />
        <Menu.Label>Appearance</Menu.Label>
        {schemes.map(({ value, name }) => (
          <Menu.Item key={value} closeMenuOnClick={false} rightSection={colorScheme === value && <CheckIcon size={16} />} onClick={() => setColorScheme(value)}>
            {name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={signOut}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

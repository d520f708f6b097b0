import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { type Place, statesQuery } from '../../api/flag'
import { environmentsQuery } from '../../api/queries'
import type { FlagTab } from '../../app/search'
import { StateCell } from '../../components/StateCell'
import { useNow } from '../../components/now'
import classes from './Flag.module.css'

const to = '/p/$project/flags/$flag' as const

// EnvironmentTabs shows what the flag does everywhere, and where one is.
export function EnvironmentTabs({ at, archived, edited }: { at: Place; archived: boolean; edited: readonly string[] }) {
  const { project, flag } = at
  const { data: environments = [] } = useQuery(environmentsQuery(project))
  const { data: states } = useQuery(statesQuery(project, flag, archived))
  const now = useNow()
  // On a phone they do not all fit: the one that is shown is brought into sight.
  const nav = useRef<HTMLElement>(null)
  useEffect(() => {
    const box = nav.current
    const current = box?.querySelector<HTMLElement>('[aria-current]')
    if (box && current) box.scrollLeft = current.offsetLeft - box.offsetLeft - (box.clientWidth - current.offsetWidth) / 2
  }, [at.environment, environments.length, states])
  return (
    <nav ref={nav} className={classes.environments} aria-label="Environments">
      {environments.map((e) => (
        <Link
          key={e.key}
          to={to}
          params={{ project, flag }}
          search={(was) => ({ ...was, env: e.key })}
          replace
          className={classes.environment}
          data-production={e.production || undefined}
          activeProps={{}}
          aria-current={e.key === at.environment ? 'page' : undefined}
        >
          <span className={classes.environmentName}>
            {e.name || e.key}
            {edited.includes(e.key) && <span className={classes.unsaved}>not saved</span>}
          </span>
          <span className={classes.state}>{states && <StateCell of={states[e.key]} now={now} />}</span>
        </Link>
      ))}
    </nav>
  )
}

const parts: { tab: FlagTab; label: string }[] = [
  { tab: 'targeting', label: 'Targeting' },
  { tab: 'history', label: 'History' },
  { tab: 'evaluate', label: 'Evaluate' },
]

export function PartTabs({ at, current }: { at: Place; current: FlagTab }) {
  return (
    <nav className={classes.parts} aria-label="Parts of the flag">
      {parts.map(({ tab, label }) => (
        <PartLink key={tab} at={at} tab={tab} label={label} current={tab === current} />
      ))}
    </nav>
  )
}

// PartLink is current by what is shown, and not by its address: a link from elsewhere may leave out the environment.
function PartLink({ at: { project, flag, environment }, tab, label, current }: { at: Place; tab: FlagTab; label: string; current: boolean }) {
  return (
    <Link
      to={to}
      params={{ project, flag }}
      search={{ env: environment, ...(tab === 'targeting' ? {} : { tab }) }}
      className={classes.part}
      activeOptions={{ exact: true, includeSearch: true }}
      activeProps={{}}
      aria-current={current ? 'page' : undefined}
    >
      {label}
    </Link>
  )
}

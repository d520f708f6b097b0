import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { instancesQuery } from '../api/queries'
import { WarningIcon } from '../components/icons'
import { useNow } from '../components/now'
import { ago, count } from '../components/time'
import { useLive } from './live'
import classes from './status.module.css'

// StatusLine says whether what is on screen is current, and whether what was changed has arrived.
export function StatusLine({ project }: { project: string }) {
  const live = useLive()
  const { data } = useQuery({ ...instancesQuery(project), refetchInterval: refetchAfter })
  const done = data?.items.filter((each) => each.state === 'connected').length ?? 0
  const total = data?.items.length ?? 0
  const word = { connecting: 'Connecting', live: 'Live', lost: 'Connection lost' }[live.kind]
  return (
    <footer className={classes.line}>
      <span className={classes.state} data-kind={live.kind} role="status">
        {word}
      </span>
      {live.kind !== 'connecting' && live.revision > 0 && <span>revision {count(live.revision)}</span>}
      {data && (
        <Link to="/p/$project/instances" params={{ project }} className={classes.instances} data-behind={done < total || undefined}>
          <span className={classes.long}>instances up to date </span>
          <span className={classes.short}>instances </span>
          {count(done)}/{count(total)}
          {data.truncated && '+'}
        </Link>
      )}
      {data && (
        <span className={classes.long}>
          nodes {count(data.nodes.length)}
        </span>
      )}
    </footer>
  )
}

type Listed = { state: { data?: { items: { state: string }[] } | undefined } }

// Instances acknowledge within moments of a change, so while some are behind they are asked for again soon.
function refetchAfter({ state }: Listed): number {
  return state.data?.items.some((each) => each.state === 'behind') ? 1000 : 15_000
}

// LostBanner appears when the connection has been gone for a second: what is on screen may be old by then.
export function LostBanner({ retry }: { retry: () => void }) {
  const live = useLive()
  const since = live.kind === 'lost' ? live.since : undefined
  const [late, setLate] = useState(false)
  const now = useNow()
  useEffect(() => {
    setLate(false)
    if (since === undefined) return
    const id = window.setTimeout(() => setLate(true), Math.max(0, since + 1000 - Date.now()))
    return () => window.clearTimeout(id)
  }, [since])
  if (since === undefined || !late) return null
  return (
    <div className={classes.banner} role="alert">
      <WarningIcon />
      <span>
        <strong>Connection lost</strong> {ago(since, Math.max(now, since))}. What you see may be out of date; it is tried again by itself.
      </span>
      <Button size="compact-sm" onClick={retry}>
        Try now
      </Button>
    </div>
  )
}

import { UnstyledButton } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { RelativeTime } from '../../components/RelativeTime'
import { ChevronIcon, KillIcon } from '../../components/icons'
import { plural } from '../../components/time'
import { Details } from './Details'
import classes from './Log.module.css'
import type { Who } from './actors'
import { type LogEntry, parseTarget, subjectOf, toneOf, verbWord } from './entry'

type Name = (e: Who) => string
interface Props {
  project: string
  items: LogEntry[]
  name: Name
  /** The newest revision that was there when the list was opened; what is newer is marked. */
  seen: number | undefined
}

const day = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

export function Entries({ project, items, name, seen }: Props) {
  const days = useMemo(() => byDay(items), [items])
  const fresh = seen === undefined ? 0 : items.filter((e) => e.revision > seen).length
  return (
    <>
      <div className="sr-only" role="status">
        {fresh > 0 ? `${fresh} new since you opened the log` : ''}
      </div>
      {days.map(({ title, entries }) => (
        <section key={title} className={classes.day} aria-label={title}>
          <h2 className={classes.date}>{title}</h2>
          <ol className={classes.entries}>
            {entries.map((e) => (
              <Entry key={`${e.epoch}.${e.revision}`} project={project} entry={e} name={name} fresh={seen !== undefined && e.revision > seen} />
            ))}
          </ol>
        </section>
      ))}
    </>
  )
}

function byDay(items: LogEntry[]): { title: string; entries: LogEntry[] }[] {
  const out: { title: string; entries: LogEntry[] }[] = []
  for (const e of items) {
    const title = day.format(Date.parse(e.at))
    const last = out.at(-1)
    if (last?.title === title) last.entries.push(e)
    else out.push({ title, entries: [e] })
  }
  return out
}

function Entry({ project, entry, name, fresh }: { project: string; entry: LogEntry; name: Name; fresh: boolean }) {
  const [open, setOpen] = useState(false)
  return (
    <li className={classes.entry} data-fresh={fresh || undefined} data-open={open || undefined}>
      <div className={classes.row}>
        <UnstyledButton className={classes.what} aria-expanded={open} onClick={() => setOpen(!open)}>
          <ChevronIcon size={14} className={classes.chevron} />
          <Sentence entry={entry} name={name} />
        </UnstyledButton>
        <span className={classes.when}>
          {fresh && <span className={classes.new}>new</span>}
          <RelativeTime at={entry.at} />
        </span>
        <Link to="/p/$project/log" params={{ project }} search={(now) => ({ ...now, rev: String(entry.revision) })} className={classes.revision} aria-label={`r${entry.revision}, show this change by itself`}>
          r{entry.revision}
        </Link>
      </div>
      {open && <Details project={project} entry={entry} />}
    </li>
  )
}

// Sentence: Ada ramped new-checkout in production · first tenth
export function Sentence({ entry, name }: { entry: LogEntry; name: Name }) {
  const target = parseTarget(entry.target)
  const tone = toneOf(entry.verb)
  return (
    <span className={classes.sentence}>
      <span className={classes.line}>
        <Actor name={name(entry)} />{' '}
        <span className={classes.verb} data-tone={tone}>
          {tone === 'kill' && <KillIcon size={14} />}
          {verbWord(entry.verb)}
        </span>{' '}
        <b>{subjectOf(target)}</b>
        {entry.verb === 'kill.tag' && <span className={classes.dim}> ({plural(entry.changes.length, 'flag')}{entry.truncated && ' and more'})</span>}
        {target.environment && target.kind !== 'environment' && target.kind !== 'revision' && <span className={classes.dim}> in {target.environment}</span>}
      </span>
      {entry.reason && <span className={classes.reason}>“{entry.reason}”</span>}
    </span>
  )
}

// Actor: a name, or the id of a token that this person may not list or that is gone.
function Actor({ name }: { name: string }) {
  return name.startsWith('token:') ? <span className={`mono ${classes.dim}`}>{name}</span> : <b>{name}</b>
}

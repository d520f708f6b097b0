import { Button, Select } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { onceKey } from '../api/client'
import { statesQuery } from '../api/flag'
import { sendKill } from '../api/kill'
import { type ProblemError, asProblem } from '../api/problem'
import { environmentsQuery, instancesQuery } from '../api/queries'
import { taggedQuery, tagsQuery } from '../api/flags'
import { KillIcon } from './icons'
import classes from './KillDialog.module.css'
import type { Sent } from './KillReceipt'
import { ReasonField, reasonError } from './ReasonField'
import { StateCell } from './StateCell'
import { useNow } from './now'
import { count, plural } from './time'

export type FullTarget = { project: string; environment: string } & ({ flag: string } | { tag: string })

type KillFormProps = {
  target: FullTarget
  // Both undefined when it is given: what is asked at night should be little.
  onEnvironment: ((key: string) => void) | undefined
  onTag: ((tag: string) => void) | undefined
  onSent: (sent: Sent) => void
  onCancel: () => void
}

export function KillForm({ target, onEnvironment, onTag, onSent, onCancel }: KillFormProps) {
  const [reason, setReason] = useState('')
  const [tried, setTried] = useState(false)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<ProblemError>()
  // One key for all tries: whether or not the first arrived, there is one kill.
  const key = useRef(onceKey())
  const ready = target.environment !== '' && (!('tag' in target) || target.tag !== '')
  const missing = tried && reason.trim() === '' ? 'Say why in a word or two: the log keeps it' : undefined

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (busy || !ready || reason.trim() === '' || reasonError(reason) !== undefined) return
    setBusy(true)
    setFailure(undefined)
    const at = Date.now()
    try {
      const { data, durability } = await sendKill(target, reason, key.current)
      onSent({ receipt: data, durability, at, took: Date.now() - at, reason, key: key.current })
    } catch (err) {
      setFailure(asProblem(err))
      setBusy(false)
    }
  }

  return (
    <form onSubmit={(event) => void submit(event)} className={classes.form} noValidate>
      {/* The first question that is open takes the focus. */}
      {onTag && <TagField project={target.project} tag={'tag' in target ? target.tag : ''} onTag={onTag} />}
      {onEnvironment && (
        <Environments project={target.project} environment={target.environment} onChange={onEnvironment} missing={tried && target.environment === ''} />
      )}
      {ready && <Consequence target={target} />}
      <ReasonField value={reason} onChange={setReason} required autoFocus={!onTag || !('tag' in target) || target.tag !== ''} placeholder="checkout errors after 14:02" error={missing ?? failure?.fields['/reason']} disabled={busy} />
      {failure && (
        <p role="alert" className={classes.failure}>
          <strong>{failure.status === 0 ? 'It is not known whether the kill arrived.' : 'Not killed.'}</strong> {failure.message}{' '}
          {failure.status === 0 && 'Try again: it is killed once, however often you send it.'}
        </p>
      )}
      <div className={classes.acts}>
        <Button onClick={onCancel} className={classes.cancel}>
          Cancel
        </Button>
        <Button type="submit" variant="danger" loading={busy} leftSection={<KillIcon size={18} />} className={classes.killNow} aria-keyshortcuts="Enter">
          Kill now
        </Button>
      </div>
    </form>
  )
}

function TagField({ project, tag, onTag }: { project: string; tag: string; onTag: (tag: string) => void }) {
  const { data = [] } = useQuery(tagsQuery(project))
  return (
    <Select
      label="Tag"
      placeholder="Which flags"
      data={data}
      value={tag || null}
      onChange={(value) => onTag(value ?? '')}
      searchable
      data-autofocus={tag === '' || undefined}
      openOnFocus={false}
      comboboxProps={{ withinPortal: false }}
      nothingFoundMessage="No flag has such a tag"
    />
  )
}

type EnvironmentsProps = { project: string; environment: string; onChange: (key: string) => void; missing: boolean }

function Environments({ project, environment, onChange, missing }: EnvironmentsProps) {
  const { data = [] } = useQuery(environmentsQuery(project))
  return (
    <fieldset className={classes.environments} aria-describedby={missing ? 'kill-where' : undefined}>
      <legend>Environment</legend>
      {data.map((e) => (
        <label key={e.key} data-production={e.production || undefined}>
          <input type="radio" name="environment" value={e.key} checked={e.key === environment} onChange={() => onChange(e.key)} />
          {e.name || e.key}
        </label>
      ))}
      {missing && (
        <p id="kill-where" role="alert" className={classes.missing}>
          Choose where
        </p>
      )}
    </fieldset>
  )
}

// Consequence says in numbers what will happen.
function Consequence({ target }: { target: FullTarget }) {
  const { project, environment } = target
  const instances = useQuery(instancesQuery(project))
  const here = instances.data?.items.filter((each) => each.environment === environment).length
  return (
    <div className={classes.consequence}>
      {'tag' in target ? <Tagged project={project} tag={target.tag} /> : <FlagNow project={project} flag={target.flag} environment={environment} />}
      <p>
        Everyone gets the off variant, whatever the targeting says, until the kill is cleared.
        {here !== undefined && ` ${plural(here, 'connected instance')} in ${environment} will be told.`}
      </p>
    </div>
  )
}

function Tagged({ project, tag }: { project: string; tag: string }) {
  const { data } = useQuery(taggedQuery(project, tag))
  if (!data) return null
  const { items, next } = data
  const named = items.slice(0, 6).map((each) => each.flag.key)
  return (
    <p>
      <strong>
        {next ? 'More than ' : ''}
        {plural(items.length, 'flag')}
      </strong>
      : {named.join(', ')}
      {items.length > named.length && ` and ${count(items.length - named.length)} more`}
    </p>
  )
}

function FlagNow({ project, flag, environment }: { project: string; flag: string; environment: string }) {
  const now = useNow()
  const { data } = useQuery(statesQuery(project, flag, false))
  const state = data?.[environment]
  // What is opened by a link to nothing says so before a reason is typed.
  const [late, setLate] = useState(false)
  useEffect(() => setLate(data !== undefined && state === undefined), [data, state])
  if (state) {
    return (
      <p className={classes.now}>
        <span className={classes.nowWord}>Now</span> <StateCell of={state} now={now} />
        {state.state === 'killed' && <span>It stays off until every kill is cleared.</span>}
      </p>
    )
  }
  return late ? <p role="alert">There is no flag {flag} that is not archived.</p> : null
}

import { Button, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useRef, useState } from 'react'
import { ask, client, onceKey } from '../api/client'
import { ramp, statesQuery, turn } from '../api/flag'
import { refreshFlags } from '../api/flags'
import { restore } from '../api/log'
import { type ProblemError, asProblem } from '../api/problem'
import { keys } from '../api/queries'
import { ProblemAlert } from '../components/ProblemAlert'
import { ReasonField, reasonError } from '../components/ReasonField'
import { Bar, StateCell } from '../components/StateCell'
import { useNow } from '../components/now'
import { toast } from '../components/toast'
import { formatBuckets, formatPercent, parsePercent, toPercent } from '../lib/percent'
import classes from './Palette.module.css'
import type { Environment } from './environment'
import { useMay } from './rights'

export type Act = { project: string; flag: string; environment: Environment } & ({ verb: 'ramp'; percent: string | undefined } | { verb: 'on' | 'off' })

// ActForm does one thing to one flag: it shows what it is now and what it will be, in numbers, and takes a reason.
export function ActForm({ act, onDone }: { act: Act; onDone: () => void }) {
  const { project, flag, environment, verb } = act
  const at = { project, flag, environment: environment.key }
  const queries = useQueryClient()
  const now = useNow()
  const editor = useMay('editor')
  const key = useRef(onceKey())
  const [percent, setPercent] = useState(verb === 'ramp' ? (act.percent ?? '') : '')
  const [reason, setReason] = useState('')
  const [tried, setTried] = useState(false)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<ProblemError>()
  const state = useQuery(statesQuery(project, flag, false)).data?.[environment.key]
  const share = parsePercent(percent)
  const buckets = share.ok ? share.value : undefined

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (busy || reasonError(reason) !== undefined || (verb === 'ramp' && buckets === undefined)) return
    setBusy(true)
    setFailure(undefined)
    try {
      const { revision } =
        verb === 'ramp' ? await ramp(at, { rule: 'default', exposure: toPercent(buckets ?? 0) }, undefined, reason, key.current) : await turn(at, verb === 'on', undefined, reason, key.current)
      const shown = () => refreshFlags(queries, project, [flag])
      void shown()
      void queries.invalidateQueries({ queryKey: keys.targeting(project, flag, environment.key) })
      const done = verb === 'ramp' ? `${flag} is at ${formatBuckets(buckets ?? 0)} % in ${environment.key}` : `${flag} is ${verb} in ${environment.key}`
      toast(done, revision === undefined || !editor ? {} : { undo: () => restore(project, revision - 1, { flag, environment: environment.key }, 'Undone').then(shown) })
      onDone()
    } catch (err) {
      setFailure(asProblem(err))
      setBusy(false)
    }
  }

  return (
    <form className={classes.form} onSubmit={(event) => void submit(event)} noValidate>
      {verb === 'ramp' && (
        <TextInput
          label="Exposure"
          rightSection="%"
          inputMode="decimal"
          autoComplete="off"
          autoFocus={act.percent === undefined}
          value={percent}
          onChange={(event) => setPercent(event.currentTarget.value)}
          error={(tried || percent !== '') && !share.ok ? share.error : failure?.fields['/exposure']}
        />
      )}
      <dl className={classes.change}>
        <dt>Now</dt>
        <dd>
          <StateCell of={state} now={now} />
        </dd>
        {verb === 'ramp' && buckets !== undefined && (
          <>
            <dt>Then</dt>
            <dd>
              <Bar exposure={toPercent(buckets)} /> {formatBuckets(buckets)} %{(state?.rules ?? 0) > 0 && ' of those whom no rule takes'}
            </dd>
          </>
        )}
      </dl>
      {verb === 'ramp' && buckets !== undefined && <Moves at={at} exposure={toPercent(buckets)} />}
      <ReasonField value={reason} onChange={setReason} label="Reason (optional)" placeholder="no errors in an hour" disabled={busy} autoFocus={verb !== 'ramp' || act.percent !== undefined} />
      {failure && failure.fields['/exposure'] === undefined && <ProblemAlert error={failure} />}
      <div className={classes.acts}>
        <Button onClick={onDone}>Cancel</Button>
        <Button type="submit" variant="primary" loading={busy}>
          {verb === 'ramp' ? (buckets === undefined ? 'Ramp' : `Ramp to ${formatBuckets(buckets)} %`) : `Turn ${verb}`}
        </Button>
      </div>
    </form>
  )
}

// Moves is what the server reckons: who would enter and who would leave.
function Moves({ at, exposure }: { at: { project: string; flag: string; environment: string }; exposure: number }) {
  const { data, error } = useQuery({
    queryKey: [...keys.targeting(at.project, at.flag, at.environment), 'ramp', exposure] as const,
    queryFn: ({ signal }) =>
      ask(
        client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/preview', {
          params: { path: at },
          body: { ramp: { exposure } as unknown as Record<string, never> },
          signal,
        }),
      ),
    retry: false,
  })
  if (error) return <ProblemAlert error={error} />
  if (!data) return <p className={classes.moves}>…</p>
  const { enterPercent = 0, leavePercent = 0, switchPercent = 0 } = data.distributions.find((each) => each.rule === 'default') ?? {}
  const moves = [
    [enterPercent, 'enter'],
    [leavePercent, 'leave'],
    [switchPercent, 'switch'],
  ] as const
  const words = moves.filter(([percent]) => percent > 0).map(([percent, verb]) => `${formatPercent(percent)} % ${verb}`)
  return (
    <p className={classes.moves}>
      {words.length > 0 ? `${words.join(', ')}; nobody else moves.` : 'Nobody enters and nobody leaves.'}
      {data.changes.length > 0 && ` ${data.changes.join('; ')}.`}
    </p>
  )
}

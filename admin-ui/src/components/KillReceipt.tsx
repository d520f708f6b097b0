import { Button } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { refreshFlags } from '../api/flags'
import { clearKill } from '../api/flag'
import { type Receipt, sendKill } from '../api/kill'
import { asProblem } from '../api/problem'
import { useMay } from '../app/rights'
import { Command } from './Command'
import classes from './KillDialog.module.css'
import type { FullTarget } from './KillForm'
import { ReasonField } from './ReasonField'
import { CheckIcon } from './icons'
import { useNow } from './now'
import { ago, count, plural } from './time'
import { toast } from './toast'

export type Sent = {
  receipt: Receipt
  durability: string | undefined
  // When it was sent, and how long the first answer took (ms).
  at: number
  took: number
  reason: string
  key: string
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 })

// KillReceipt shows the kill arriving, on nodes and on instances, and who does not have it yet.
export function KillReceipt({ target, sent, onClose }: { target: FullTarget; sent: Sent; onClose: () => void }) {
  const { receipt, took } = useArrival(target, sent)
  const { nodes, instances, missing, flags } = receipt
  const everywhere = arrived(receipt)
  return (
    <div className={classes.receipt}>
      <p className={classes.sent}>
        Sent {clock.format(sent.at)} · revision {count(receipt.revision)}
        {flags && flags.length > 1 && ` · ${plural(flags.length, 'flag')}`}
      </p>
      <div role="status">
        <dl className={classes.arrival}>
          <Arrival name="Nodes" {...nodes} />
          <Arrival name="Instances" {...instances} />
        </dl>
      </div>
      {everywhere ? (
        <p className={classes.done}>
          <CheckIcon size={18} />
          {instances.total === 0 ? 'Every node has it; no instance is connected.' : `Arrived everywhere after ${(took / 1000).toFixed(2)} s.`}
        </p>
      ) : (
        <Missing receipt={receipt} />
      )}
      {!everywhere && missing.length === 0 && <p className={classes.sent}>Waiting for the rest to acknowledge…</p>}
      {sent.durability === 'unconfirmed' && (
        <p className={classes.failure}>No replica of the store has confirmed it: the kill may be lost if the store’s primary fails right now.</p>
      )}
      <Clearing target={target} receipt={receipt} onClose={onClose} />
    </div>
  )
}

function arrived({ nodes, instances }: Receipt): boolean {
  return nodes.total > 0 && nodes.done >= nodes.total && instances.done >= instances.total
}

// useArrival asks again until everybody has the kill: often at first, then every two seconds for as long as somebody looks.
function useArrival(target: FullTarget, sent: Sent): { receipt: Receipt; took: number } {
  const queries = useQueryClient()
  const [latest, setLatest] = useState({ receipt: sent.receipt, took: sent.took })
  const { project } = target
  useEffect(() => {
    void refreshFlags(queries, project, sent.receipt.flags ?? []).catch(() => undefined)
    void queries.invalidateQueries({ queryKey: ['p', project, 'kills'] })
    void queries.invalidateQueries({ queryKey: ['p', project, 'flag'] })
    void queries.invalidateQueries({ queryKey: ['p', project, 'targeting'] })
    if (arrived(sent.receipt)) return
    let timer: number | undefined
    let ended = false
    const again = async () => {
      let done = false
      try {
        const { data } = await sendKill(target, sent.reason, sent.key)
        if (ended) return
        done = arrived(data)
        setLatest({ receipt: data, took: Date.now() - sent.at })
      } catch {
        // The kill stands; only its receipts cannot be had at the moment.
      }
      if (!done && !ended) timer = window.setTimeout(() => void again(), Date.now() - sent.at < 15_000 ? 100 : 2000)
    }
    void again()
    return () => {
      ended = true
      window.clearTimeout(timer)
    }
    // The target and what was sent are fixed for the life of this view.
  }, [])
  return latest
}

function Arrival({ name, done, total }: { name: string; done: number; total: number }) {
  const share = total === 0 ? 1 : done / total
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span className={classes.track} aria-hidden="true">
          <span className={classes.fill} data-whole={done >= total || undefined} style={{ transform: `scaleX(${share})` }} />
        </span>
        <span className={classes.count}>
          {count(done)} / {count(total)}
        </span>
      </dd>
    </>
  )
}

// mostNamed of those who are missing are shown; the instances page has them all.
const mostNamed = 8

function Missing({ receipt }: { receipt: Receipt }) {
  const now = useNow()
  const { missing } = receipt
  if (missing.length === 0) return null
  return (
    <div className={classes.missingList}>
      <strong>Not yet told</strong>
      <ul>
        {missing.slice(0, mostNamed).map((each) => (
          <li key={each.instance}>
            <span className="mono">{each.instance}</span>{' '}
            <span className={classes.dim}>
              {[each.application, [each.sdk, each.sdkVersion].filter(Boolean).join(' '), each.lastSeen && `last seen ${ago(Date.parse(each.lastSeen), now)}`]
                .filter(Boolean)
                .join(' · ')}
            </span>
          </li>
        ))}
      </ul>
      {missing.length > mostNamed && <p className={classes.dim}>and {plural(missing.length - mostNamed, 'other')}</p>}
      <p className={classes.dim}>Who is cut off gets it when it connects again; until then it serves what it last knew.</p>
    </div>
  )
}

function Clearing({ target, receipt, onClose }: { target: FullTarget; receipt: Receipt; onClose: () => void }) {
  const queries = useQueryClient()
  const editor = useMay('editor')
  const [open, setOpen] = useState(false)
  const [reason, setReason] = useState('')
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const { project, environment } = target
  const flags = receipt.flags ?? ('flag' in target ? [target.flag] : [])
  const first = flags[0]

  const clear = async () => {
    if (reason.trim() === '') return setFailure('Say why: the log keeps it')
    setBusy(true)
    try {
      for (const [n, id] of receipt.ids.entries()) {
        const flag = flags[n]
        if (flag !== undefined) await clearKill({ project, flag, environment }, id, reason)
      }
      await refreshFlags(queries, project, flags)
      toast(`Cleared ${plural(receipt.ids.length, 'kill')} in ${environment}`)
      onClose()
    } catch (err) {
      setFailure(asProblem(err).message)
      setBusy(false)
    }
  }

  if (!open) {
    return (
      <>
        <div className={classes.how}>
          <p>
            When the cause is gone, {editor ? 'clear' : 'an editor clears'} {receipt.ids.length === 1 ? 'the kill' : 'the kills'}; the targeting serves again as it is then.
          </p>
          {first !== undefined && flags.length === 1 && <Command>{`dimmer clear ${first} -e ${environment} --reason "fixed"`}</Command>}
        </div>
        <div className={classes.acts}>
          {editor && <Button onClick={() => setOpen(true)}>Clear…</Button>}
          {first !== undefined && flags.length === 1 && (
            <Button renderRoot={(props) => <Link {...props} to="/p/$project/flags/$flag" params={{ project, flag: first }} search={{ env: environment }} onClick={onClose} />}>
              Open the flag
            </Button>
          )}
          <Button variant="primary" onClick={onClose} data-autofocus>
            Done
          </Button>
        </div>
      </>
    )
  }
  return (
    <form
      className={classes.form}
      onSubmit={(event) => {
        event.preventDefault()
        void clear()
      }}
    >
      <ReasonField autoFocus label="Why is it safe again?" value={reason} onChange={setReason} error={failure} required disabled={busy} placeholder="fixed in 4.2.1" />
      <div className={classes.acts}>
        <Button onClick={() => setOpen(false)}>Back</Button>
        <Button type="submit" variant="primary" loading={busy}>
          Clear {plural(receipt.ids.length, 'kill')}
        </Button>
      </div>
    </form>
  )
}

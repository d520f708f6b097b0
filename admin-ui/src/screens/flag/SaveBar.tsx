import { Button } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { type Place, type Preview, type TargetingView, freshTargeting, putTargeting, ramp, turn } from '../../api/flag'
import { ProblemError } from '../../api/problem'
import { onceKey } from '../../api/client'
import { environmentsQuery } from '../../api/queries'
import { ActDialog } from '../../components/ActDialog'
import { DiffView } from '../../components/DiffView'
import { toast, toasts } from '../../components/toast'
import { diffTargeting, lineText, placeName } from '../../lib/diff'
import { type Problems, dirty, saveOf } from '../../lib/draft'
import { compare, lineAt } from '../../lib/hashline'
import { merge } from '../../lib/merge'
import { type Targeting, eachServe } from '../../lib/model'
import { formatPercent, formatShare } from '../../lib/percent'
import classes from './SaveBar.module.css'
import { ChangedBy } from './ChangedBy'
import type { Draft } from './Targeting'

type Props = {
  at: Place
  edited: Draft
  counted: Preview | undefined
  problems: Problems
  refused: unknown
  onAttempt: () => void
  onSaved: (now: TargetingView) => void
  /** What was saved is taken back; something else may be in the making by then, and stays. */
  onUndone: (now: TargetingView) => void
  onDiscard: () => void
  onReapply: (theirs: TargetingView) => void
}

// SaveBar is there while something is not saved: what it is, in a line, and the way on.
export function SaveBar({ at, edited, counted, problems, refused, onAttempt, onSaved, onUndone, onDiscard, onReapply }: Props) {
  const [asking, setAsking] = useState(false)
  const lines = diffTargeting(edited.base, edited.draft)
  const wrong = Object.keys(problems).length
  const invalid = refused instanceof ProblemError && refused.status === 422
  const first = lines[0]
  const open = () => {
    onAttempt()
    if (wrong === 0 && !invalid) {
      toasts.set([]) // they would lie over the dialog
      setAsking(true)
    } else requestAnimationFrame(() => document.querySelector<HTMLElement>('[data-editor] [aria-invalid="true"]')?.focus())
  }
  useSaveKey(open)
  const bar = useLift()
  return (
    <>
      <div ref={bar} className={classes.bar} role="region" aria-label="Unsaved changes">
        <p className={classes.what}>
          <span className={classes.dot} aria-hidden="true" />
          <b>{lines.length === 1 ? 'Not saved: ' : `${lines.length} changes not saved: `}</b>
          {first && <span className={classes.first}>{lineText(first)}</span>}
          {wrong > 0 && <span className={classes.wrong}>{wrong === 1 ? '1 place is not complete' : `${wrong} places are not complete`}</span>}
          {invalid && <span className={classes.wrong}>{refused.message}</span>}
        </p>
        <div className={classes.acts}>
          <Button onClick={onDiscard}>Discard</Button>
          <Button variant="primary" onClick={open} aria-keyshortcuts="Control+S Meta+S">
            Save…
          </Button>
        </div>
      </div>
      {asking && (
        <SaveDialog
          at={at}
          edited={edited}
          counted={counted}
          onClose={() => setAsking(false)}
          onSaved={(now) => {
            setAsking(false)
            onSaved(now)
          }}
          onUndone={onUndone}
          onReapply={(theirs) => {
            setAsking(false)
            onReapply(theirs)
          }}
        />
      )}
    </>
  )
}

/** Toasts rise above the bar, so that neither covers the other. */
function useLift() {
  const { ref, height } = useElementSize<HTMLDivElement>()
  useEffect(() => {
    document.documentElement.style.setProperty('--d-lift', `${height + 24}px`)
    return () => void document.documentElement.style.removeProperty('--d-lift')
  }, [height])
  return ref
}

function useSaveKey(act: () => void) {
  const latest = useRef(act)
  useEffect(() => {
    latest.current = act
  })
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey) || event.altKey) return
      event.preventDefault()
      if (!document.querySelector('[role="dialog"]')) latest.current()
    }
    document.addEventListener('keydown', keys)
    return () => document.removeEventListener('keydown', keys)
  }, [])
}

type DialogProps = Pick<Props, 'at' | 'edited' | 'counted' | 'onSaved' | 'onUndone'> & { onClose: () => void; onReapply: (theirs: TargetingView) => void }

function SaveDialog({ at, edited, counted, onClose, onSaved, onUndone, onReapply }: DialogProps) {
  const { base, draft } = edited
  const [key] = useState(onceKey) // the same for every try, so that a repeated one does nothing twice
  const [theirs, setTheirs] = useState<TargetingView>()
  const save = async (reason: string) => {
    try {
      const done = await write(at, base, draft, reason, key)
      onSaved(done)
      toast(saidOf(base, draft, at.environment), { undo: () => undo(at, base, done, onUndone) })
    } catch (err) {
      if (err instanceof ProblemError && err.status === 412) setTheirs(await freshTargeting(at))
      throw err
    }
  }
  const { data: environments = [] } = useQuery(environmentsQuery(at.project))
  const production = environments.some((e) => e.key === at.environment && e.production)
  return (
    <ActDialog
      title={`Save ${at.flag} in ${at.environment}?`}
      act={theirs ? 'Save' : actOf(base, draft)}
      disabled={theirs !== undefined}
      onAct={save}
      onClose={onClose}
      explain={() => theirs && <Conflict at={at} edited={edited} theirs={theirs} onReapply={() => onReapply(theirs)} />}
    >
      <DiffView lines={diffTargeting(base, draft)} />
      <Shifts base={base} draft={draft} counted={counted} />
      {turnsOff(base, draft) && <p className={classes.production}>{turnsOff(base, draft)}</p>}
      {production && <p className={classes.production}>This is production: it is live within a second of saving.</p>}
    </ActDialog>
  )
}

function actOf(base: Targeting, draft: Targeting): string {
  const save = saveOf(base, draft)
  if (save.kind === 'ramp') return `Set to ${save.exposure} %`
  if (save.kind === 'turn') return save.on ? 'Turn on' : 'Turn off'
  return 'Save'
}

/** Whom it meets when the targeting is turned off. */
function turnsOff(base: Targeting, draft: Targeting): string | undefined {
  if (!base.enabled || draft.enabled) return undefined
  const d = base.default.distribution
  const n = base.rules?.length ?? 0
  const others = n ? 'everyone else' : 'everyone'
  const exposed = d ? `${formatPercent(d.exposure)} % of ${others} are exposed` : `${others} gets ${base.default.variant ?? base.off}`
  return `Now ${exposed}${n ? `, after ${n} ${n === 1 ? 'rule' : 'rules'}` : ''}. Then everyone gets ${draft.off}, until it is turned on again.`
}

function saidOf(base: Targeting, draft: Targeting, environment: string): string {
  const save = saveOf(base, draft)
  if (save.kind === 'ramp') return `${environment}: ${placeName(draft, save.rule)} is at ${save.exposure} %`
  if (save.kind === 'turn') return `${environment}: turned ${save.on ? 'on' : 'off'}`
  return `${environment}: targeting saved`
}

async function write(at: Place, base: Targeting, draft: Targeting, reason: string, key: string): Promise<TargetingView> {
  const how = saveOf(base, draft)
  const call =
    how.kind === 'ramp'
      ? ramp(at, { rule: how.rule, exposure: how.exposure, from: how.from }, base.version, reason, key)
      : how.kind === 'turn'
        ? turn(at, how.on, base.version, reason, key)
        : putTargeting(at, draft, base.version, reason, key)
  return (await call).data as unknown as TargetingView
}

/** Takes back what was saved a moment ago, unless somebody has changed it since: then 412, and the toast says so. */
async function undo(at: Place, before: Targeting, done: TargetingView, onUndone: (now: TargetingView) => void): Promise<void> {
  onUndone(await write(at, done, { ...before, version: done.version }, 'Undone right after saving', onceKey()))
}

// Shifts are the exact shares that saving moves, for each rule and everyone else; by the server's count as soon as it is there.
function Shifts({ base, draft, counted }: { base: Targeting; draft: Targeting; counted: Preview | undefined }) {
  const rows: { id: string; enter: number; leave: number; switch: number; redrawn: boolean }[] = []
  eachServe(draft, (id) => {
    const [a, b] = [lineAt(base, id), lineAt(draft, id)]
    if (!a || !b) return
    const shift = counted?.distributions.find((s) => s.rule === id) ?? compare(a, b)
    if (shift.enter || shift.leave || shift.switch || shift.redrawn) rows.push({ id, enter: shift.enter, leave: shift.leave, switch: shift.switch, redrawn: shift.redrawn ?? false })
  })
  if (rows.length === 0) return null
  return (
    <table className={classes.shifts}>
      <thead>
        <tr>
          <th scope="col">Of those who come here</th>
          <th scope="col">enter</th>
          <th scope="col">leave</th>
          <th scope="col">switch</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((r) => (
          <tr key={r.id}>
            <th scope="row">{placeName(draft, r.id)}</th>
            {r.redrawn ? (
              <td colSpan={3}>everyone is drawn anew</td>
            ) : (
              <>
                <td>{r.enter ? `+${formatShare(r.enter)} %` : '0'}</td>
                <td>{r.leave ? `−${formatShare(r.leave)} %` : '0'}</td>
                <td>{r.switch ? `${formatShare(r.switch)} %` : '0'}</td>
              </>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Conflict({ at, edited, theirs, onReapply }: { at: Place; edited: Draft; theirs: TargetingView; onReapply: () => void }) {
  const { conflicts, targeting } = merge(edited.base, edited.draft, theirs)
  return (
    <div className={classes.conflict} role="alert">
      <p>
        <b>Nothing was saved.</b> <ChangedBy at={at} version={theirs.version} /> Since you began this was changed:
      </p>
      <DiffView lines={diffTargeting(edited.base, theirs)} label="What somebody else changed" />
      {conflicts.length > 0 && <p>You both changed {conflicts.join(', ')}; there your values stay.</p>}
      {dirty(theirs, targeting) ? (
        <Button variant="primary" onClick={onReapply}>
          Apply my changes to theirs
        </Button>
      ) : (
        <p>It is what you wanted already.</p>
      )}
    </div>
  )
}


import { NativeSelect, Switch } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { type Place, type TargetingView, preview, targetingOf } from '../../api/flag'
import { ProblemError } from '../../api/problem'
import { keys } from '../../api/queries'
import { segmentsQuery } from '../../api/segments'
import { DiffView } from '../../components/DiffView'
import { Section } from '../../components/Section'
import { ProblemsContext, useProblem } from '../../components/condition/problems'
import { asked } from '../../lib/context'
import { diffTargeting } from '../../lib/diff'
import { type Problems, dirty, exposed, ownPointers, problemsOf } from '../../lib/draft'
import { laidOut } from '../../lib/hashline'
import { merge } from '../../lib/merge'
import { type Condition, type Flag, type Targeting as Document, authored, defaultRule, same } from '../../lib/model'
import { toPercent } from '../../lib/percent'
import { ChangedBy } from './ChangedBy'
import { Prerequisites } from './Prerequisites'
import { Rules } from './Rules'
import { SaveBar } from './SaveBar'
import { ServeEditor } from './ServeEditor'
import classes from './Targeting.module.css'
import { Variants } from './Variants'
import { type Editing, EditingContext, useEditing } from './editing'

/** What was read when the editing began, and what it has become. */
export interface Draft {
  base: TargetingView
  draft: Document
}

type Props = { at: Place; flag: Flag; server: TargetingView; edited: Draft | undefined; onEdit: (next: Draft | undefined) => void; readOnly: boolean }

const noProblems: Problems = {}

// Targeting edits what the flag does in one environment. Nothing is sent before it is saved, but for the question what saving would do.
export function Targeting({ at, flag, server, edited, onEdit, readOnly }: Props) {
  const base = edited?.base ?? server
  const draft = edited?.draft ?? server
  const [attempted, setAttempted] = useState(false)
  const queries = useQueryClient()
  const own = useMemo(() => problemsOf(draft), [draft])
  const asking = usePreview(at, edited, Object.keys(own).length === 0)
  const { data: segments = [] } = useQuery(segmentsQuery(at.project))
  const attributes = useMemo(() => attributesOf(draft, segments), [draft, segments])

  const change = (next: Document) => onEdit(dirty(base, next) ? { base, draft: next } : undefined)
  const stale = edited !== undefined && server.version !== edited.base.version
  // The server counts from what it has now. While that is not what the editing began with, its numbers would belong to another difference.
  const counted = stale ? undefined : asking.counted
  const laid = useMemo(() => laidOut(flag, base, draft), [flag, base, draft])
  const editing: Editing = {
    flag,
    base,
    draft: laid,
    dark: server.killed ? 'killed' : flag.archived ? 'archived' : draft.enabled ? undefined : 'off',
    readOnly,
    around: { project: at.project, attributes, flag: at.flag },
    counted,
    edit: (fn) => change(fn(draft)),
    setExposure: (id, n) => change(exposed(base, draft, id, toPercent(n))),
  }
  const problems = useSame(useMemo(() => ({ ...asking.problems, ...(attempted ? own : noProblems) }), [asking.problems, attempted, own]))
  const refresh = (now: TargetingView) => {
    queries.setQueryData(targetingOf(at).queryKey, now as never)
    void queries.invalidateQueries({ queryKey: keys.log(at.project) })
    void queries.invalidateQueries({ queryKey: keys.flag(at.project, at.flag) })
  }
  const saved = (now: TargetingView) => {
    refresh(now)
    setAttempted(false)
    onEdit(undefined)
  }
  return (
    <EditingContext value={editing}>
      <ProblemsContext value={problems}>
        {stale && edited && <Overtaken at={at} edited={edited} server={server} onEdit={onEdit} />}
        <div className={classes.columns}>
          <SwitchRow />
          <section className={classes.hero} aria-label="Everyone else">
            <ServeEditor
              id={defaultRule}
              serve={laid.default}
              pointer="/default"
              label={draft.rules?.length ? 'everyone else' : 'everyone'}
              large
              head={
                <div className={classes.heroHead}>
                  <h2 className={classes.heroTitle}>{draft.rules?.length ? 'Everyone else' : 'Everyone'}</h2>
                  <p className={classes.heroHint}>{hint(draft)}</p>
                </div>
              }
            />
          </section>
          <Section title="Rules" count={draft.rules?.length ?? 0}>
            <Rules />
          </Section>
          <Section title="Prerequisites" count={draft.prerequisites?.length ?? 0}>
            <Prerequisites />
          </Section>
          <Variants at={at} flag={flag} readOnly={readOnly} />
        </div>
        {edited && (
          <SaveBar
            at={at}
            edited={{ ...edited, draft: laid }}
            counted={counted}
            problems={own}
            refused={asking.error}
            onAttempt={() => setAttempted(true)}
            onSaved={saved}
            onUndone={refresh}
            onDiscard={() => {
              setAttempted(false)
              onEdit(undefined)
            }}
            onReapply={(theirs) => onEdit({ base: theirs, draft: merge(edited.base, edited.draft, theirs).targeting })}
          />
        )}
      </ProblemsContext>
    </EditingContext>
  )
}

/** A value that keeps its identity while it is the same. */
function useSame<T>(value: T): T {
  const [kept, keep] = useState(value)
  if (kept === value || same(kept, value)) return kept
  keep(value)
  return value
}

function hint(t: Document): string {
  return t.rules?.length ? 'Those whom no rule below serves.' : 'No rule comes before.'
}

function attributesOf(t: Document, segments: { key: string; when?: Condition }[]): string[] {
  const of = (when: Condition | undefined) => asked({ enabled: true, off: '', rules: [{ id: 'x', ...(when ? { when } : {}), serve: {} }], default: {} }).map((a) => a.path)
  return [...new Set([...asked(t).map((a) => a.path), ...segments.flatMap((s) => of(s.when))])].sort()
}

/** Asks the server what saving the draft would do, when the hand rests. Its word counts: the exact shares, and what is wrong. */
function usePreview(at: Place, edited: Draft | undefined, askable: boolean) {
  const text = useMemo(() => (edited && askable ? JSON.stringify(authored(edited.draft)) : ''), [edited, askable])
  const [settled] = useDebouncedValue(text, 250)
  const { data, error } = useQuery({
    queryKey: [...keys.targeting(at.project, at.flag, at.environment), 'preview', settled] as const,
    queryFn: ({ signal }) => preview(at, JSON.parse(settled) as Document, [], signal),
    enabled: settled !== '',
    retry: false,
    gcTime: 30_000,
  })
  const current = settled !== '' && settled === text
  const refused = current && error instanceof ProblemError && error.status === 422 ? error : undefined
  const problems = useMemo(() => (refused ? ownPointers(refused.fields) : noProblems), [refused])
  return { counted: current && !error ? data : undefined, problems, error: current ? error : null }
}

function SwitchRow() {
  const { draft, flag, edit, readOnly, dark } = useEditing()
  const problem = useProblem('/off')
  if (readOnly) {
    return (
      <p className={classes.switchRow}>
        <b>{draft.enabled ? 'On' : 'Off'}</b>
        <span className={classes.word}>
          {dark === 'archived'
            ? `Archived: everyone gets ${draft.off} in every environment. Bring it back to change it.`
            : draft.enabled
              ? `Rules and dimmer decide. When it is off everyone gets ${draft.off}.`
              : `Rules and dimmer rest, and everyone gets ${draft.off}.`}
        </span>
      </p>
    )
  }
  return (
    <div className={classes.switchRow}>
      <Switch
        checked={draft.enabled}
        onChange={(event) => {
          const enabled = event.currentTarget.checked
          edit((t) => ({ ...t, enabled }))
        }}
        label={draft.enabled ? 'On' : 'Off'}
        aria-label="Targeting is on"
        classNames={{ label: classes.switchLabel, track: classes.switchTrack }}
      />
      <span className={classes.word}>{draft.enabled ? 'Rules and dimmer decide. When it is off everyone gets' : 'Rules and dimmer rest, and everyone gets'}</span>
      <NativeSelect
        aria-label="Off variant"
        size="xs"
        value={draft.off}
        data={(flag.variants ?? []).map((v) => v.key)}
        onChange={(event) => {
          const off = event.currentTarget.value
          edit((t) => ({ ...t, off }))
        }}
        error={problem}
      />
    </div>
  )
}

function Overtaken({ at, edited, server, onEdit }: { at: Place; edited: Draft; server: TargetingView; onEdit: (next: Draft | undefined) => void }) {
  const merged = merge(edited.base, edited.draft, server)
  return (
    <div className={classes.overtaken} role="status">
      <p>
        <ChangedBy at={at} version={server.version} /> What was changed since you began:
      </p>
      <DiffView lines={diffTargeting(edited.base, server)} label="What somebody else changed" />
      {merged.conflicts.length > 0 && <p>You both changed {merged.conflicts.join(', ')}; there your values stay.</p>}
      <div className={classes.acts}>
        <button type="button" className={classes.link} onClick={() => onEdit(dirty(server, merged.targeting) ? { base: server, draft: merged.targeting } : undefined)}>
          Apply my changes to theirs
        </button>
        <button type="button" className={classes.link} onClick={() => onEdit(undefined)}>
          Drop mine
        </button>
      </div>
    </div>
  )
}

import { Button, TextInput, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { ProblemError } from '../../api/problem'
import { keys } from '../../api/queries'
import { type Segment, type Side, putSegment, segmentQuery, segmentsQuery } from '../../api/segments'
import { useMay } from '../../app/rights'
import { ActDialog } from '../../components/ActDialog'
import { DiffView } from '../../components/DiffView'
import { Section } from '../../components/Section'
import { ConditionEditor } from '../../components/condition/ConditionEditor'
import { ProblemsContext } from '../../components/condition/problems'
import { toast } from '../../components/toast'
import { asked } from '../../lib/context'
import { type Problems, conditionProblems } from '../../lib/draft'
import { same } from '../../lib/model'
import { diffSegment } from '../log/lines'
import { InlineKeys } from './InlineKeys'
import { Who } from './Segments'
import classes from './Segments.module.css'

// Definition is what holds in every environment: name, condition, and the few keys that are kept in the definition itself.
export function Definition({ project, segment }: { project: string; segment: Segment }) {
  const [draft, setDraft] = useState<{ base: Segment; now: Segment }>()
  const may = useMay('editor')
  const begin = () => setDraft({ base: segment, now: segment })
  return (
    <Section title="Who is in it" actions={may && !draft && <Button onClick={begin}>Edit</Button>}>
      {draft ? <Editor project={project} server={segment} draft={draft} onDraft={setDraft} /> : <Read segment={segment} />}
    </Section>
  )
}

function Read({ segment }: { segment: Segment }) {
  const inline = (['include', 'exclude'] as const).flatMap((side) => Object.entries(segment[side] ?? {}).map(([attribute, list]) => ({ side, attribute, list })))
  return (
    <div className={classes.definition}>
      <p className={classes.condition}>
        <Who segment={{ key: segment.key, when: segment.when }} most={20} />
      </p>
      {inline.map(({ side, attribute, list }) => (
        <p key={side + attribute} className={classes.inline}>
          <span className={classes.dim}>
            always {side === 'include' ? 'in' : 'out'}
            {attribute !== 'targetingKey' && `, by ${attribute}`}:
          </span>{' '}
          {list.slice(0, 50).map((key) => (
            <code key={key} className={classes.key}>
              {key}
            </code>
          ))}
          {list.length > 50 && <span className={classes.dim}>and {list.length - 50} more</span>}
        </p>
      ))}
      <p className={classes.note}>Included keys come first, then excluded ones, then the condition. It holds in every environment where the segment is active.</p>
    </div>
  )
}

interface EditorProps {
  project: string
  /** As it is now, which may be newer than what is edited. */
  server: Segment
  draft: { base: Segment; now: Segment }
  onDraft: (draft: { base: Segment; now: Segment } | undefined) => void
}

const none: Problems = {}

function Editor({ project, server, draft, onDraft }: EditorProps) {
  const { base, now } = draft
  const [saving, setSaving] = useState(false)
  const [attempted, setAttempted] = useState(false)
  const [refused, setRefused] = useState<Problems>(none)
  const { data: segments = [] } = useQuery(segmentsQuery(project))
  const attributes = useMemo(() => attributesOf([now, ...segments]), [now, segments])
  const own = useMemo(() => (now.when ? conditionProblems(now.when, '/when') : none), [now.when])
  const problems = useMemo(() => ({ ...refused, ...(attempted ? own : none) }), [refused, attempted, own])
  const set = (change: Partial<Segment>) => {
    setRefused(none)
    onDraft({ base, now: { ...now, ...change } })
  }
  const lines = diffSegment(base, now)
  const others = server.version !== base.version
  const save = () => {
    setAttempted(true)
    if (Object.keys(own).length === 0) setSaving(true)
  }
  return (
    <ProblemsContext value={problems}>
      <div className={classes.editor}>
        {others && (
          <div className={classes.conflict} role="alert">
            <b>Somebody changed this segment while you edited it.</b>
            <DiffView lines={diffSegment(base, server)} label="What somebody else changed" />
            <div className={classes.acts}>
              <Button size="xs" onClick={() => onDraft({ base: server, now: reapplied(base, now, server) })}>
                Put mine on top
              </Button>
              <Button size="xs" onClick={() => onDraft(undefined)}>
                Discard mine
              </Button>
            </div>
          </div>
        )}
        <TextInput label="Name" value={now.name ?? ''} onChange={(e) => set({ name: e.currentTarget.value })} maxLength={256} error={problems['/name']} />
        <Textarea label="Description" autosize minRows={1} maxRows={6} value={now.description ?? ''} onChange={(e) => set({ description: e.currentTarget.value })} maxLength={4096} error={problems['/description']} />
        <div>
          <div className={classes.label}>Condition</div>
          <ConditionEditor label="Condition" value={now.when} pointer="/when" around={{ project, attributes }} onChange={(when) => set({ when })} />
          {!now.when && <p className={classes.note}>Without a condition only those are in it who are listed, here or in an environment.</p>}
        </div>
        {(['include', 'exclude'] satisfies Side[]).map((side) => (
          <InlineKeys key={`${side} ${base.version}`} side={side} value={now[side] ?? {}} attributes={attributes} problems={problems} onChange={(list) => set({ [side]: Object.keys(list).length ? list : undefined })} />
        ))}
        <div className={classes.bar}>
          <span className={classes.dim}>{lines.length === 0 ? 'Nothing changed yet' : lines.length === 1 ? '1 change' : `${lines.length} changes`}</span>
          <Button onClick={() => onDraft(undefined)}>{lines.length === 0 ? 'Close' : 'Discard'}</Button>
          <Button variant="primary" disabled={lines.length === 0 || others} onClick={save}>
            Save…
          </Button>
        </div>
      </div>
      {saving && (
        <SaveDialog
          project={project}
          base={base}
          now={now}
          onRefused={(fields) => {
            setRefused(fields)
            setSaving(false)
          }}
          onSaved={() => onDraft(undefined)}
          onClose={() => setSaving(false)}
        />
      )}
    </ProblemsContext>
  )
}

interface SaveProps {
  project: string
  base: Segment
  now: Segment
  onRefused: (fields: Problems) => void
  onSaved: () => void
  onClose: () => void
}

function SaveDialog({ project, base, now, onRefused, onSaved, onClose }: SaveProps) {
  const queries = useQueryClient()
  const act = async (reason: string) => {
    try {
      const { data } = await putSegment(project, now, base.version, reason)
      queries.setQueryData(segmentQuery(project, base.key).queryKey, data as Segment)
      void queries.invalidateQueries({ queryKey: keys.segments(project) })
      toast(`Saved ${base.key}`)
      onSaved()
    } catch (err) {
      if (err instanceof ProblemError && err.status === 412) {
        await queries.invalidateQueries({ queryKey: segmentQuery(project, base.key).queryKey, exact: true })
        onClose() // the editor shows what somebody else did
        return
      }
      if (err instanceof ProblemError && err.status === 422 && Object.keys(err.fields).some((p) => p.startsWith('/'))) onRefused(err.fields)
      throw err
    }
  }
  return (
    <ActDialog title={`Save ${base.key}`} act="Save" size="xl" onAct={act} onClose={onClose}>
      <p>This changes it in every environment, for every flag that uses it.</p>
      <div className={classes.preview}>
        <DiffView lines={diffSegment(base, now)} />
      </div>
    </ActDialog>
  )
}

// reapplied puts what I changed on what somebody else saved.
function reapplied(base: Segment, mine: Segment, theirs: Segment): Segment {
  const out: Segment = { ...theirs }
  for (const field of ['name', 'description', 'when', 'include', 'exclude'] as const) {
    if (!same(base[field], mine[field])) Object.assign(out, { [field]: mine[field] })
  }
  return out
}

function attributesOf(segments: readonly Segment[]): string[] {
  const found = new Set(['targetingKey'])
  for (const { when } of segments) {
    if (!when) continue
    for (const a of asked({ enabled: true, off: '', rules: [{ id: 'x', when, serve: {} }], default: {} })) found.add(a.path)
  }
  return [...found].toSorted()
}

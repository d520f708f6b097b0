import { Button, NativeSelect } from '@mantine/core'
import type { Condition } from '../../lib/model'
import { type Mode, fromTop, group, topGroup, view } from '../../lib/tree'
import { CrossIcon, PlusIcon } from '../icons'
import { ClauseEditor } from './ClauseEditor'
import classes from './Condition.module.css'
import { FlagEditor, SegmentEditor } from './Leaves'
import { useProblem } from './problems'

export interface Surroundings {
  project: string
  /** Attributes that are known, to choose from. */
  attributes: readonly string[]
  /** The flag that is edited, which cannot refer to itself. */
  flag?: string
}

type EditorProps = { value: Condition | undefined; onChange: (next: Condition | undefined) => void; pointer: string; around: Surroundings; label: string }

const modes: { value: Mode; label: string; joint: string }[] = [
  { value: 'all', label: 'all of these hold', joint: 'and' },
  { value: 'any', label: 'any of these holds', joint: 'or' },
  { value: 'none', label: 'none of these holds', joint: 'nor' },
  { value: 'notAll', label: 'not all of these hold', joint: 'and' },
]

// ConditionEditor edits a condition of any depth; none at all means everyone. What is wrong with it comes from ProblemsContext.
export function ConditionEditor({ value, onChange, pointer, around, label }: EditorProps) {
  const top = topGroup(value)
  return (
    <div role="group" aria-label={label}>
      <Group mode={top.mode} kids={top.kids} pointer={pointer} around={around} top onChange={(mode, kids) => onChange(fromTop(mode, kids))} />
    </div>
  )
}

type GroupProps = {
  mode: Mode
  kids: { condition: Condition; pointer: string }[]
  pointer: string
  around: Surroundings
  top?: boolean
  onChange: (mode: Mode, kids: Condition[]) => void
  onRemove?: () => void
}

function Group({ mode, kids, pointer, around, top, onChange, onRemove }: GroupProps) {
  const problem = useProblem(pointer, `${pointer}/${mode}`)
  const conditions = kids.map((k) => k.condition)
  const replace = (i: number, next: Condition | undefined) => onChange(mode, next ? conditions.with(i, next) : conditions.toSpliced(i, 1))
  const joint = modes.find((m) => m.value === mode)?.joint
  return (
    <div className={classes.group} data-top={top || undefined}>
      {(!top || kids.length > 1 || mode !== 'all') && (
        <div className={classes.groupHead}>
          <NativeSelect
            aria-label="How the conditions are joined"
            size="xs"
            value={mode}
            data={modes.map(({ value, label }) => ({ value, label }))}
            onChange={(event) => onChange(event.currentTarget.value as Mode, conditions)}
          />
          {onRemove && <RemoveButton label="Remove the group" onClick={onRemove} />}
        </div>
      )}
      {problem !== undefined && <p className={classes.problem}>{problem}</p>}
      {kids.length === 0 && !top && <p className={classes.note}>An empty group {mode === 'all' || mode === 'none' ? 'always' : 'never'} holds.</p>}
      {kids.map((kid, i) => (
        <div key={i} className={classes.kid}>
          {kids.length > 1 && <span className={classes.joint}>{i > 0 ? joint : ''}</span>}
          <Node condition={kid.condition} pointer={pointer + kid.pointer} around={around} onChange={(next) => replace(i, next)} />
        </div>
      ))}
      <div className={classes.add}>
        <Add label={kids.length ? 'Condition' : 'Add a condition'} onClick={() => onChange(mode, [...conditions, { attribute: '', op: 'in', values: [] }])} />
        <Add label="Segment" onClick={() => onChange(mode, [...conditions, { segment: '' }])} />
        <Add label="Flag" onClick={() => onChange(mode, [...conditions, { flag: '', variants: [] }])} />
        {kids.length > 0 && (
          <Add label="Group" onClick={() => onChange(mode, [...conditions, group(mode === 'any' ? 'all' : 'any', [{ attribute: '', op: 'in', values: [] }])])} />
        )}
      </div>
    </div>
  )
}

function Add({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Button size="compact-xs" variant="subtle" color="gray" className={classes.quiet} leftSection={<PlusIcon size={12} />} onClick={onClick}>
      {label}
    </Button>
  )
}

type NodeProps = { condition: Condition; pointer: string; around: Surroundings; onChange: (next: Condition | undefined) => void }

function Node({ condition, pointer, around, onChange }: NodeProps) {
  const v = view(condition)
  const remove = () => onChange(undefined)
  switch (v.kind) {
    case 'group':
      return <Group mode={v.mode} kids={v.kids} pointer={pointer} around={around} onChange={(mode, kids) => onChange(kids.length ? group(mode, kids) : undefined)} onRemove={remove} />
    case 'segment':
      return <SegmentEditor {...v} pointer={pointer + v.pointer} around={around} onChange={onChange} onRemove={remove} />
    case 'flag':
      return <FlagEditor {...v} pointer={pointer + v.pointer} around={around} onChange={onChange} onRemove={remove} />
    case 'clause':
      return <ClauseEditor clause={v.clause} pointer={pointer} around={around} onChange={onChange} onRemove={remove} />
  }
}

export function RemoveButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className={classes.remove} aria-label={label} title={label} onClick={onClick}>
      <CrossIcon size={14} />
    </button>
  )
}

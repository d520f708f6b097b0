import { ActionIcon, Menu, TextInput } from '@mantine/core'
import { type KeyboardEvent, type PointerEvent, type ReactNode, memo, useId } from 'react'
import { Sentence } from '../../components/Sentence'
import { ConditionEditor } from '../../components/condition/ConditionEditor'
import { useProblem, useProblemBelow } from '../../components/condition/problems'
import { ChevronIcon, MoreIcon } from '../../components/icons'
import type { Rule } from '../../lib/model'
import { toBuckets } from '../../lib/percent'
import { conditionParts, serveParts } from '../../lib/sentence'
import { MiniBar } from './Dimmer'
import classes from './Rules.module.css'
import { ServeEditor } from './ServeEditor'
import { useEditing } from './editing'

/** What is done with a rule as a whole. */
export type RuleAct = { kind: 'open'; on: boolean } | { kind: 'move'; to: number } | { kind: 'duplicate' } | { kind: 'remove' }

type Props = {
  rule: Rule
  place: number
  count: number
  open: boolean
  changed: string | undefined
  dragged: boolean
  readOnly: boolean
  dark: boolean
  onAct: (id: string, act: RuleAct) => void
  grip: (event: PointerEvent<HTMLButtonElement>, id: string) => void
}

// RuleCard is a rule as a sentence, and opened as an editor of it. Its handle is dragged, or moved with the arrow keys.
// There may be 200, and each pixel of a drag elsewhere makes a new draft: closed ones look at nothing but their own rule.
export const RuleCard = memo(function RuleCard({ rule, place, count, open, changed, dragged, readOnly, dark, onAct, grip }: Props) {
  const id = useId()
  const pointer = `/rules/${place}`
  const problem = useProblemBelow(pointer)
  const title = rule.name ? `${place + 1} ${rule.name}` : `Rule ${place + 1}`
  const keys = (event: KeyboardEvent) => {
    const to = event.key === 'ArrowUp' ? place - 1 : event.key === 'ArrowDown' ? place + 1 : event.key === 'Home' ? 0 : event.key === 'End' ? count - 1 : undefined
    if (to === undefined) return
    event.preventDefault()
    if (to >= 0 && to < count && to !== place) move(to)
  }
  const move = (to: number) => onAct(rule.id, { kind: 'move', to })
  const toggle = () => onAct(rule.id, { kind: 'open', on: !open })
  return (
    <li className={classes.card} data-dragged={dragged || undefined} data-open={open || undefined} data-rule={rule.id}>
      <div className={classes.head}>
        {!readOnly && (
          <button type="button" data-grip className={classes.grip} aria-label={`Move ${title}: place ${place + 1} of ${count}`} title="Drag, or arrow keys" onKeyDown={keys} onPointerDown={(event) => grip(event, rule.id)}>
            <Grip />
          </button>
        )}
        <span className={classes.place}>{place + 1}</span>
        <button type="button" className={classes.sentence} aria-expanded={open} aria-controls={id} onClick={toggle}>
          {rule.name && <span className={classes.name}>{rule.name}</span>}
          <span className={classes.words}>
            <span>
              {rule.when ? <Sentence parts={[{ kind: 'text', text: 'if ' }, ...conditionParts(rule.when)]} /> : <Sentence parts={[{ kind: 'text', text: 'everyone' }]} />}
            </span>
            <span className={classes.serves}>
              <span className={classes.arrow} aria-label="gets">
                →
              </span>
              {rule.serve.distribution && <MiniBar exposure={toBuckets(rule.serve.distribution.exposure)} dark={dark} />}
              <Sentence parts={serveParts(rule.serve)} />
            </span>
          </span>
          {changed !== undefined && <span className={classes.changed}>{changed}</span>}
          {problem !== undefined && !open && <span className={classes.problem}>{problem}</span>}
        </button>
        {!readOnly && (
          <RuleMenu label={title}>
            <Menu.Item disabled={place === 0} onClick={() => move(place - 1)}>
              Move up
            </Menu.Item>
            <Menu.Item disabled={place === count - 1} onClick={() => move(place + 1)}>
              Move down
            </Menu.Item>
            <Menu.Item onClick={() => onAct(rule.id, { kind: 'duplicate' })}>Duplicate</Menu.Item>
            <Menu.Item color="red" onClick={() => onAct(rule.id, { kind: 'remove' })}>
              Remove
            </Menu.Item>
          </RuleMenu>
        )}
        <ActionIcon variant="subtle" color="gray" size={32} aria-label={`${open ? 'Close' : 'Open'} ${title}`} aria-expanded={open} onClick={toggle}>
          <ChevronIcon size={16} className={open ? classes.up : undefined} />
        </ActionIcon>
      </div>
      {open && (
        <div className={classes.body} id={id}>
          <RuleBody rule={rule} place={place} pointer={pointer} />
        </div>
      )}
    </li>
  )
})

function RuleBody({ rule, place, pointer }: { rule: Rule; place: number; pointer: string }) {
  const { readOnly, around, edit } = useEditing()
  const own = useProblem(pointer, `${pointer}/id`)
  const set = (change: Partial<Rule>) => edit((t) => ({ ...t, rules: (t.rules ?? []).map((r) => (r.id === rule.id ? { ...r, ...change } : r)) }))
  return (
    <>
      {own !== undefined && <p className={classes.problem}>{own}</p>}
      {!readOnly && (
        <>
          <TextInput
            label="Name"
            description="Optional; it stands before the sentence and in the history."
            size="xs"
            className={classes.nameField}
            value={rule.name ?? ''}
            onChange={(event) => set({ name: event.currentTarget.value })}
          />
          <h3 className={classes.label}>If</h3>
          <ConditionEditor value={rule.when} onChange={(when) => set({ when })} pointer={`${pointer}/when`} around={around} label={`Condition of rule ${place + 1}`} />
          {!rule.when && <p className={classes.hint}>Without a condition everyone who comes this far is meant.</p>}
          <h3 className={classes.label}>Then they get</h3>
        </>
      )}
      <ServeEditor id={rule.id} serve={rule.serve} pointer={`${pointer}/serve`} label={`rule ${place + 1}`} />
    </>
  )
}

function RuleMenu({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={32} aria-label={`More for ${label}`}>
          <MoreIcon size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>{children}</Menu.Dropdown>
    </Menu>
  )
}

function Grip() {
  return (
    <svg width="10" height="16" viewBox="0 0 10 16" aria-hidden="true" fill="currentColor">
      {[2, 8].flatMap((x) => [3, 8, 13].map((y) => <circle key={`${x}${y}`} cx={x} cy={y} r="1.3" />))}
    </svg>
  )
}

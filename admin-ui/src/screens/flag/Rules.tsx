import { Button } from '@mantine/core'
import { type PointerEvent, type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { PlusIcon } from '../../components/icons'
import { lineText, diffTargeting } from '../../lib/diff'
import { moved } from '../../lib/draft'
import { type Rule, type Targeting, same } from '../../lib/model'
import { ruleId } from '../../lib/values'
import { RuleCard } from './RuleCard'
import classes from './Rules.module.css'
import { useEditing } from './editing'

// Rules are tried from the top; the first that matches and serves something decides.
export function Rules() {
  const { base, draft, readOnly, edit, flag } = useEditing()
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [said, say] = useState('')
  const rules = draft.rules ?? []
  const list = useRef<HTMLOListElement>(null)
  const move = (id: string, to: number) => {
    edit((t) => ({ ...t, rules: moved(t.rules ?? [], (t.rules ?? []).findIndex((r) => r.id === id), to) }))
    say(`Moved to place ${to + 1} of ${rules.length}`)
    handleOf.current = id
  }
  // A card that is moved within the list loses the focus, so its handle gets it back.
  const handleOf = useRef<string>(undefined)
  useLayoutEffect(() => {
    const id = handleOf.current
    handleOf.current = undefined
    if (id === undefined) return
    const card = [...(list.current?.children ?? [])].find((c) => c.getAttribute('data-rule') === id)
    card?.querySelector<HTMLButtonElement>('button[data-grip]')?.focus({ preventScroll: false })
  })
  const drag = useDrag(list, rules, move)
  const show = (id: string, on: boolean) => setOpen((was) => new Set(on ? [...was, id] : [...was].filter((x) => x !== id)))
  const add = (rule: Rule, at: number) => {
    edit((t) => ({ ...t, rules: (t.rules ?? []).toSpliced(at, 0, rule) }))
    show(rule.id, true)
  }
  const live = (flag.variants ?? []).find((v) => v.key !== draft.off)?.key ?? draft.off
  return (
    <>
      {rules.length === 0 ? (
        <p className={classes.none}>No rules: everyone comes straight to the dimmer{readOnly ? '.' : '. A rule serves some people something of their own, such as staff, a country, or a list of customers.'}</p>
      ) : (
        <ol className={classes.list} ref={list}>
          {rules.map((rule, place) => (
            <RuleCard
              key={rule.id}
              rule={rule}
              place={place}
              count={rules.length}
              open={open.has(rule.id)}
              changed={changeOf(base, rule)}
              dragged={drag.dragged === rule.id}
              onOpen={(on) => show(rule.id, on)}
              onMove={(to) => move(rule.id, to)}
              onDuplicate={() => add({ ...rule, id: newId() }, place + 1)}
              onRemove={() => edit((t) => ({ ...t, rules: (t.rules ?? []).filter((r) => r.id !== rule.id) }))}
              grip={(event) => drag.begin(event, rule.id)}
            />
          ))}
        </ol>
      )}
      {!readOnly && (
        <Button
          size="xs"
          leftSection={<PlusIcon size={14} />}
          onClick={() => add({ id: newId(), when: { attribute: '', op: 'in', values: [] }, serve: { variant: live } }, rules.length)}
        >
          Add a rule
        </Button>
      )}
      <p className="sr-only" aria-live="polite">
        {said}
      </p>
    </>
  )
}

function newId(): string {
  return ruleId(crypto.getRandomValues(new Uint8Array(8)))
}

function changeOf(base: Targeting, rule: Rule): string | undefined {
  const was = (base.rules ?? []).find((r) => r.id === rule.id)
  if (!was) return 'new'
  const lines = diffTargeting({ ...base, rules: [was], default: { variant: base.off } }, { ...base, rules: [rule], default: { variant: base.off } })
  if (lines.length === 0 || same(was, rule)) return undefined
  return lines.length === 1 && lines[0] ? lineText({ ...lines[0], subject: '' }).replace(/^: /, '') : `${lines.length} changes`
}

/** Dragging by the handle: the list is put in its new order as the pointer passes the middle of another card; Escape brings the old order back. */
function useDrag(list: RefObject<HTMLOListElement | null>, rules: Rule[], move: (id: string, to: number) => void) {
  const [dragged, setDragged] = useState<string>()
  const latest = useRef({ rules, move })
  useEffect(() => {
    latest.current = { rules, move }
  })
  const begin = (event: PointerEvent<HTMLButtonElement>, id: string) => {
    if (event.button !== 0) return
    const start = latest.current.rules.findIndex((r) => r.id === id)
    event.preventDefault() // no text is selected; the handle is focused below
    event.currentTarget.focus()
    setDragged(id)
    const follow = (e: globalThis.PointerEvent) => {
      const cards = [...(list.current?.children ?? [])]
      const from = latest.current.rules.findIndex((r) => r.id === id)
      const to = cards.findIndex((card, i) => {
        const box = card.getBoundingClientRect()
        const middle = box.top + box.height / 2
        return i < from ? e.clientY < middle : i > from && e.clientY > middle && (i === cards.length - 1 || e.clientY < (cards[i + 1]?.getBoundingClientRect().top ?? 0) + 8)
      })
      if (to >= 0 && to !== from) latest.current.move(id, to)
    }
    const end = () => {
      document.removeEventListener('pointermove', follow)
      document.removeEventListener('pointerup', end)
      document.removeEventListener('pointercancel', end)
      document.removeEventListener('keydown', escape)
      setDragged(undefined)
    }
    const escape = (e: globalThis.KeyboardEvent) => {
      if (e.key !== 'Escape') return
      latest.current.move(id, start)
      end()
    }
    // On the document, for a card that is moved within the list loses what was captured for it.
    document.addEventListener('pointermove', follow)
    document.addEventListener('pointerup', end)
    document.addEventListener('pointercancel', end)
    document.addEventListener('keydown', escape)
  }
  return { dragged, begin }
}

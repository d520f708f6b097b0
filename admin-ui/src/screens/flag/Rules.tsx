import { Button } from '@mantine/core'
import { type PointerEvent, type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { PlusIcon } from '../../components/icons'
import { lineText, diffTargeting } from '../../lib/diff'
import { moved } from '../../lib/draft'
import type { Rule, Targeting } from '../../lib/model'
import { ruleId } from '../../lib/values'
import { type RuleAct, RuleCard } from './RuleCard'
import classes from './Rules.module.css'
import { useEditing } from './editing'

// Rules are tried from the top; the first that matches and serves something decides.
export function Rules() {
  const { base, draft, readOnly, dark, edit, flag } = useEditing()
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [said, say] = useState('')
  const list = useRef<HTMLOListElement>(null)
  const show = (id: string, on: boolean) => setOpen((was) => new Set(on ? [...was, id] : [...was].filter((x) => x !== id)))
  const rules = draft.rules ?? []
  // A new rule comes into sight, past the bar of unsaved changes, and its first field takes the focus.
  const fresh = useRef<string>(undefined)
  useEffect(() => {
    const card = fresh.current === undefined ? null : list.current?.querySelector<HTMLElement>(`[data-rule="${fresh.current}"]`)
    if (!card) return
    fresh.current = undefined
    card.scrollIntoView({ block: 'nearest' })
    card.querySelector<HTMLElement>('input[aria-label="Attribute"]')?.focus({ preventScroll: true })
  })
  const insert = (rule: Rule, at: number) => {
    fresh.current = rule.id
    edit((t) => ({ ...t, rules: (t.rules ?? []).toSpliced(at, 0, rule) }))
    show(rule.id, true)
  }
  const act = useLatest((id: string, what: RuleAct) => {
    const at = rules.findIndex((r) => r.id === id)
    const rule = rules[at]
    if (!rule) return
    switch (what.kind) {
      case 'open':
        return show(id, what.on)
      case 'move':
        edit((t) => ({ ...t, rules: moved(t.rules ?? [], at, what.to) }))
        say(`Moved to place ${what.to + 1} of ${rules.length}`)
        return
      case 'duplicate':
        return insert({ ...rule, id: newId() }, at + 1)
      case 'remove':
        return edit((t) => ({ ...t, rules: (t.rules ?? []).filter((r) => r.id !== id) }))
    }
  })
  const drag = useDrag(list, rules, act)
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
              changed={changeOf(base, rule, place)}
              dragged={drag.dragged === rule.id}
              readOnly={readOnly}
              dark={dark !== undefined}
              onAct={act}
              grip={drag.begin}
            />
          ))}
        </ol>
      )}
      {!readOnly && (
        <Button
          size="xs"
          leftSection={<PlusIcon size={14} />}
          onClick={() => insert({ id: newId(), when: { attribute: '', op: 'in', values: [] }, serve: { variant: live } }, rules.length)}
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

/** A function that stays the same and does what the newest one would. */
function useLatest<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
  const latest = useRef(fn)
  useLayoutEffect(() => {
    latest.current = fn
  })
  return useCallback((...args: A) => latest.current(...args), [])
}

function newId(): string {
  return ruleId(crypto.getRandomValues(new Uint8Array(8)))
}

function changeOf(base: Targeting, rule: Rule, place: number): string | undefined {
  const was = base.rules?.[place]?.id === rule.id ? base.rules[place] : base.rules?.find((r) => r.id === rule.id)
  if (was === rule) return undefined
  if (!was) return 'new'
  const lines = diffTargeting({ ...base, rules: [was], default: { variant: base.off } }, { ...base, rules: [rule], default: { variant: base.off } })
  const [line] = lines
  if (!line) return undefined
  return lines.length === 1 ? lineText({ ...line, subject: '' }).replace(/^: /, '') : `${lines.length} changes`
}

/** Dragging by the handle: the list is put in its new order as the pointer passes the middle of another card; Escape brings the old order back. */
function useDrag(list: RefObject<HTMLOListElement | null>, rules: Rule[], act: (id: string, act: RuleAct) => void) {
  const [dragged, setDragged] = useState<string>()
  const begin = useLatest((event: PointerEvent<HTMLButtonElement>, id: string) => {
    if (event.button !== 0) return
    const start = rules.findIndex((r) => r.id === id)
    event.preventDefault() // no text is selected; the handle is focused here
    event.currentTarget.focus()
    setDragged(id)
    const place = () => [...(list.current?.children ?? [])].findIndex((card) => card.getAttribute('data-rule') === id)
    const follow = (e: globalThis.PointerEvent) => {
      const cards = [...(list.current?.children ?? [])]
      const from = place()
      const to = cards.findIndex((card, i) => {
        const box = card.getBoundingClientRect()
        const middle = box.top + box.height / 2
        return i < from ? e.clientY < middle : i > from && e.clientY > middle && (i === cards.length - 1 || e.clientY < (cards[i + 1]?.getBoundingClientRect().top ?? 0) + 8)
      })
      if (to >= 0 && to !== from) act(id, { kind: 'move', to })
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
      act(id, { kind: 'move', to: start })
      end()
    }
    // On the document, for a card that is moved within the list loses what was captured for it.
    document.addEventListener('pointermove', follow)
    document.addEventListener('pointerup', end)
    document.addEventListener('pointercancel', end)
    document.addEventListener('keydown', escape)
  })
  return { dragged, begin }
}

// Conditions as an editor shows them: groups and leaves. "None of" and "not all of" are a negation around a group; a negated segment or
// flag is a leaf. Pointers are JSON pointers below the condition, so that what the server says about a place finds its field.

import type { Clause, Condition } from './model'
import { isClause } from './model'

export type Mode = 'all' | 'any' | 'none' | 'notAll'

export type View =
  | { kind: 'group'; mode: Mode; kids: { condition: Condition; pointer: string }[] }
  | { kind: 'segment'; segment: string; negate: boolean; pointer: string }
  | { kind: 'flag'; flag: string; variants: string[]; negate: boolean; pointer: string }
  | { kind: 'clause'; clause: Clause }

const each = (list: Condition[], pointer: string) => list.map((condition, i) => ({ condition, pointer: `${pointer}/${i}` }))

export function view(c: Condition): View {
  if ('all' in c) return { kind: 'group', mode: 'all', kids: each(c.all, '/all') }
  if ('any' in c) return { kind: 'group', mode: 'any', kids: each(c.any, '/any') }
  if (isClause(c)) return { kind: 'clause', clause: c }
  if ('segment' in c) return { kind: 'segment', segment: c.segment, negate: false, pointer: '' }
  if ('flag' in c) return { kind: 'flag', flag: c.flag, variants: c.variants, negate: false, pointer: '' }
  const inner = c.not
  if ('segment' in inner) return { kind: 'segment', segment: inner.segment, negate: true, pointer: '/not' }
  if ('flag' in inner) return { kind: 'flag', flag: inner.flag, variants: inner.variants, negate: true, pointer: '/not' }
  if ('any' in inner) return { kind: 'group', mode: 'none', kids: each(inner.any, '/not/any') }
  if ('all' in inner) return { kind: 'group', mode: 'notAll', kids: each(inner.all, '/not/all') }
  return { kind: 'group', mode: 'none', kids: [{ condition: inner, pointer: '/not' }] }
}

export function group(mode: Mode, kids: Condition[]): Condition {
  switch (mode) {
    case 'all':
      return { all: kids }
    case 'any':
      return { any: kids }
    case 'none':
      return { not: { any: kids } }
    case 'notAll':
      return { not: { all: kids } }
  }
}

export function segmentLeaf(segment: string, negate: boolean): Condition {
  return negate ? { not: { segment } } : { segment }
}

export function flagLeaf(flag: string, variants: string[], negate: boolean): Condition {
  return negate ? { not: { flag, variants } } : { flag, variants }
}

/** A rule's condition as a group to edit: none is an empty one, a leaf stands alone in one. */
export function topGroup(when: Condition | undefined): Extract<View, { kind: 'group' }> {
  if (!when) return { kind: 'group', mode: 'all', kids: [] }
  const v = view(when)
  return v.kind === 'group' ? v : { kind: 'group', mode: 'all', kids: [{ condition: when, pointer: '' }] }
}

/** And back: an empty group is no condition (everyone), one that holds a single condition needs no group. */
export function fromTop(mode: Mode, kids: Condition[]): Condition | undefined {
  const [only] = kids
  if (!only) return undefined
  if (kids.length === 1 && (mode === 'all' || mode === 'any')) return only
  return group(mode, kids)
}

/** How deep a condition is nested; the server takes 16. */
export function depth(c: Condition): number {
  if ('all' in c) return 1 + Math.max(0, ...c.all.map(depth))
  if ('any' in c) return 1 + Math.max(0, ...c.any.map(depth))
  if ('not' in c) return 1 + depth(c.not)
  return 1
}

import type { Schemas } from '../../api/client'
import { type DiffLine, diffDocument, diffFlag, diffTargeting, shortJson } from '../../lib/diff'
import { type Condition, type Flag, type Targeting, same } from '../../lib/model'
import { conditionParts, text } from '../../lib/sentence'
import { count, plural } from '../../components/time'
import { parseDocument } from './entry'

type Change = Schemas['LogChange']

/** What one document's change says, line by line. What is made shows what it holds, and a list of keys how many there are. */
export function linesOf(change: Pick<Change, 'document' | 'before' | 'after'>): DiffLine[] {
  const { kind } = parseDocument(change.document)
  if (kind === 'segmentlist') return diffLists(change)
  if (kind === 'segment' && change.after !== undefined) {
    const lines = diffSegment((change.before ?? {}) as SegmentText, change.after as SegmentText)
    return change.before === undefined ? [{ kind: 'added', subject: 'created' }, ...lines] : lines
  }
  if (change.before !== undefined || change.after === undefined) return diffDocument(change)
  switch (kind) {
    case 'flag': {
      const flag = change.after as Flag
      return [{ kind: 'added', subject: 'created', text: `a ${flag.type} flag` }, ...diffFlag({ key: flag.key, type: flag.type }, flag)]
    }
    case 'targeting': {
      const t = change.after as Targeting
      const lines = diffTargeting({ enabled: false, off: t.off, default: { variant: t.off } }, t)
      return [{ kind: 'added', subject: 'created', ...(lines.length === 0 ? { text: `off, everyone gets ${t.off}` } : {}) }, ...lines]
    }
    case 'environment':
      return [{ kind: 'added', subject: 'created' }, ...diffDocument({ ...change, before: {} })]
  }
  return diffDocument(change)
}

interface List {
  attribute?: string
  count?: number
}
interface Lists {
  active?: boolean
  include?: List
  exclude?: List
}

function diffLists({ before, after }: Pick<Change, 'before' | 'after'>): DiffLine[] {
  const was = (before ?? {}) as Lists
  const is = (after ?? {}) as Lists
  const out: DiffLine[] = []
  const on = (l: Lists) => (l.active === false ? 'not active: nobody is in it' : 'active')
  if (on(was) !== on(is)) out.push({ kind: 'changed', subject: 'segment', from: on(was), to: on(is), about: 'switch' })
  for (const side of ['include', 'exclude'] as const) {
    const subject = side === 'include' ? 'included keys' : 'excluded keys'
    const [a, b] = [was[side]?.count ?? 0, is[side]?.count ?? 0]
    if (a !== b) {
      const text = b > a ? `${plural(b - a, 'key')} more:` : `${plural(a - b, 'key')} fewer:`
      out.push({ kind: 'changed', subject, text, from: count(a), to: count(b) })
    }
    const [x, y] = [was[side]?.attribute || 'targetingKey', is[side]?.attribute || 'targetingKey']
    if (x !== y) out.push({ kind: 'changed', subject, text: 'compared with', from: x, to: y })
  }
  if (out.length === 0 && before !== undefined && after !== undefined) return [{ kind: 'changed', subject: 'keys', text: 'as many as before, some of them others' }]
  return out
}

/** What a person writes of a segment. */
export interface SegmentText {
  name?: string
  description?: string
  when?: Condition
  include?: Record<string, string[]>
  exclude?: Record<string, string[]>
}

const nobody = 'nobody but those included'

/** What changed in a segment's definition: its condition as a sentence, its keys one by one. */
export function diffSegment(before: SegmentText, after: SegmentText): DiffLine[] {
  const out: DiffLine[] = []
  for (const field of ['name', 'description'] as const) {
    const [x, y] = [before[field] || undefined, after[field] || undefined]
    if (x !== y) out.push({ kind: x === undefined ? 'added' : y === undefined ? 'removed' : 'changed', subject: field, ...(x && { from: x }), ...(y && { to: y }) })
  }
  if (!same(before.when, after.when)) {
    const say = (c: Condition | undefined) => (c ? text(conditionParts(c, { most: 12 })) : nobody)
    out.push({ kind: 'changed', subject: 'condition', from: say(before.when), to: say(after.when) })
  }
  for (const side of ['include', 'exclude'] as const) {
    const [was, is] = [before[side] ?? {}, after[side] ?? {}]
    for (const attribute of new Set([...Object.keys(was), ...Object.keys(is)])) {
      const [x, y] = [new Set(was[attribute]), new Set(is[attribute])]
      const subject = `${side === 'include' ? 'included' : 'excluded'}${attribute === 'targetingKey' ? '' : ` by ${attribute}`}`
      const [gone, come] = [[...x].filter((k) => !y.has(k)), [...y].filter((k) => !x.has(k))]
      if (gone.length) out.push({ kind: 'removed', subject, from: some(gone) })
      if (come.length) out.push({ kind: 'added', subject, to: some(come) })
    }
  }
  return out
}

function some(keys: string[]): string {
  const shown = keys.slice(0, 8).map((k) => shortJson(k, 40))
  return shown.join(', ') + (keys.length > shown.length ? ` and ${plural(keys.length - shown.length, 'more', 'more')}` : '')
}

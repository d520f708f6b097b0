import type { Schemas } from '../../api/client'
import { type DiffLine, diffDocument, diffFlag, diffTargeting } from '../../lib/diff'
import type { Flag, Targeting } from '../../lib/model'
import { count, plural } from '../../components/time'
import { parseDocument } from './entry'

type Change = Schemas['LogChange']

/** What one document's change says, line by line. What is made shows what it holds, and a list of keys how many there are. */
export function linesOf(change: Change): DiffLine[] {
  const { kind } = parseDocument(change.document)
  if (kind === 'segmentlist') return diffLists(change)
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
    case 'segment':
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

function diffLists({ before, after }: Change): DiffLine[] {
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

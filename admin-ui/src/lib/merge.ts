// Bringing one person's edits onto what another one saved meanwhile: what only one of them touched is taken as it is; where both changed
// the same thing to different values mine wins, and the place is named, so that nobody overwrites without being told.

import type { Rule, Targeting } from './model'
import { authored, same } from './model'
import { ruleName } from './diff'

export interface Merged {
  targeting: Targeting
  /** Places that both changed, in words. */
  conflicts: string[]
}

export function merge(base: Targeting, mine: Targeting, theirs: Targeting): Merged {
  const conflicts: string[] = []
  const [b, m, t] = [authored(base), authored(mine), authored(theirs)]
  const pick = <T>(name: string, was: T, my: T, their: T): T => {
    if (same(my, was)) return their
    if (!same(their, was) && !same(my, their)) conflicts.push(name)
    return my
  }
  const rules = mergeRules(b.rules ?? [], m.rules ?? [], t.rules ?? [], pick, conflicts)
  const prerequisites = pick('the prerequisites', b.prerequisites ?? [], m.prerequisites ?? [], t.prerequisites ?? [])
  return {
    targeting: {
      ...theirs,
      enabled: pick('on or off', b.enabled, m.enabled, t.enabled),
      off: pick('the off variant', b.off, m.off, t.off),
      prerequisites,
      rules,
      default: pick('everyone else', b.default, m.default, t.default),
    },
    conflicts,
  }
}

type Pick = <T>(name: string, was: T, my: T, their: T) => T

function mergeRules(base: Rule[], mine: Rule[], theirs: Rule[], pick: Pick, conflicts: string[]): Rule[] {
  const find = (list: Rule[], id: string) => list.find((r) => r.id === id)
  const ids = (list: Rule[]) => list.map((r) => r.id)
  // Whose order counts: mine if I moved anything, theirs otherwise; what only the other has goes where it stood, behind the same rule.
  const common = ids(mine).filter((id) => find(base, id))
  const moved = !same(common, ids(base).filter((id) => find(mine, id)))
  const [first, second] = moved ? [ids(mine), ids(theirs)] : [ids(theirs), ids(mine)]
  const order = [...first]
  for (const [i, id] of second.entries()) {
    if (!order.includes(id)) order.splice(i === 0 ? 0 : order.indexOf(second[i - 1] ?? '') + 1, 0, id)
  }
  const out: Rule[] = []
  for (const id of order) {
    const [b, m, t] = [find(base, id), find(mine, id), find(theirs, id)]
    if (m && t) {
      const place = ruleName(m, mine.indexOf(m) + 1)
      const when = pick(`the condition of ${place}`, b?.when, m.when, t.when)
      const name = pick(`the name of ${place}`, b?.name, m.name, t.name)
      out.push({ id, ...(name ? { name } : {}), ...(when ? { when } : {}), serve: pick(`what ${place} serves`, b?.serve ?? {}, m.serve, t.serve) })
    } else if (m && !b) out.push(m)
    else if (t && !b) out.push(t)
    else if (m && b && !same(m, b)) {
      conflicts.push(`${ruleName(m, mine.indexOf(m) + 1)}, which was removed`)
      out.push(m)
    } else if (t && b && !same(t, b)) {
      conflicts.push(`${ruleName(t, theirs.indexOf(t) + 1)}, which you removed`)
    }
  }
  return out
}

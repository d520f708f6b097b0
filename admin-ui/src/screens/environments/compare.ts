import { authored, same, type Rule, type Targeting } from '../../lib/model'

// Two environments side by side: whether a flag does the same in both, and what a copy from one to the other would write.

/** Where two targetings of a flag differ. */
export type Aspect = 'switch' | 'off' | 'prerequisites' | 'rules' | 'default'

export const aspectWords: Record<Aspect, string> = {
  switch: 'on or off',
  off: 'off variant',
  prerequisites: 'prerequisites',
  rules: 'rules',
  default: 'default',
}

// A rule's id is the handle of its hash line and no behaviour: the same rule made in two environments has two ids.
const anonymous = (rules: Rule[] | undefined) => (rules ?? []).map(({ id: _, ...rule }) => rule)

/** What differs; empty: both behave the same. Kills are not part of a targeting. */
export function differences(left: Targeting, right: Targeting): Aspect[] {
  const [a, b] = [authored(left), authored(right)]
  const out: Aspect[] = []
  if (a.enabled !== b.enabled) out.push('switch')
  if (a.off !== b.off) out.push('off')
  if (!same(a.prerequisites ?? [], b.prerequisites ?? [])) out.push('prerequisites')
  if (!same(anonymous(a.rules), anonymous(b.rules))) out.push('rules')
  if (!same(a.default, b.default)) out.push('default')
  return out
}

export interface CopyOptions {
  /** Leave the destination as it is, on or off. */
  keepSwitch: boolean
}

/**
 * What a copy writes to the destination. A rule that is there under the same id, or else as the same rule under another, keeps the destination's
 * id, so that the people in it keep their variants: its hash line goes by the id.
 */
export function copied(from: Targeting, to: Targeting, { keepSwitch }: CopyOptions): Targeting {
  const source = authored(from)
  const taken = new Set<string>()
  const there = to.rules ?? []
  const ids = (source.rules ?? []).map((rule) => {
    const twin = there.find((r) => r.id === rule.id) ?? there.find((r) => !taken.has(r.id) && !source.rules?.some((s) => s.id === r.id) && same(anonymous(authored({ ...to, rules: [r] }).rules), anonymous([rule])))
    const id = twin?.id ?? rule.id
    taken.add(id)
    return id
  })
  return {
    ...source,
    enabled: keepSwitch ? to.enabled : source.enabled,
    ...(source.rules ? { rules: source.rules.map((rule, i) => ({ ...rule, id: ids[i] ?? rule.id })) } : {}),
  }
}

/** compare=a..b in the URL; undefined when it does not name two different environments. */
export function parsePair(text: string | undefined): [string, string] | undefined {
  const m = /^([a-z0-9][a-z0-9._-]*?)\.\.([a-z0-9][a-z0-9._-]*)$/.exec(text ?? '')
  return m?.[1] && m[2] && m[1] !== m[2] ? [m[1], m[2]] : undefined
}

export function formatPair(left: string, right: string): string {
  return `${left}..${right}`
}

/** Runs work over items, at most `width` at once, in order; stops at the first failure or when the signal says so. */
export async function each<T>(items: readonly T[], width: number, signal: AbortSignal | undefined, work: (item: T, i: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      signal?.throwIfAborted()
      const i = next++
      await work(items[i] as T, i)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
}

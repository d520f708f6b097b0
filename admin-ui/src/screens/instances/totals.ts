import type { Schemas } from '../../api/client'

// What a list of instances says as a whole.

export type Instance = Schemas['Instance']
export type InstanceState = Instance['state']

const rank: Record<InstanceState, number> = { lost: 0, behind: 1, connected: 2 }

/** Lost ones first, then those that are behind, the furthest first; then by application and name. */
export function ordered(items: readonly Instance[]): Instance[] {
  return items.toSorted(
    (a, b) =>
      rank[a.state] - rank[b.state] ||
      (b.lag ?? 0) - (a.lag ?? 0) ||
      (a.application ?? '').localeCompare(b.application ?? '') ||
      a.instance.localeCompare(b.instance),
  )
}

export interface Totals {
  all: number
  connected: number // and up to date
  behind: number
  lost: number
}

export function totals(items: readonly Instance[]): Totals {
  const out: Totals = { all: items.length, connected: 0, behind: 0, lost: 0 }
  for (const i of items) out[i.state]++
  return out
}

export interface Version {
  sdk: string
  version: string
  count: number
}

/** How many run which SDK, the most first. */
export function versions(items: readonly Instance[]): Version[] {
  const found = new Map<string, Version>()
  for (const i of items) {
    const [sdk, version] = [i.sdk || 'unknown', i.sdkVersion || '']
    const key = `${sdk} ${version}`
    const v = found.get(key) ?? { sdk, version, count: 0 }
    v.count++
    found.set(key, v)
  }
  return [...found.values()].toSorted((a, b) => b.count - a.count || `${a.sdk} ${a.version}`.localeCompare(`${b.sdk} ${b.version}`))
}

/** One sentence for whoever asks whether everybody has it. */
export function verdict(t: Totals, truncated: boolean): string {
  const n = (count: number) => count.toLocaleString('en')
  if (t.all === 0) return 'No SDK is connected.'
  if (t.all === 1 && t.connected === 1) return 'The only one is up to date.'
  const those = truncated ? `Of the ${n(t.all)} that are listed, ` : ''
  const missing = t.behind + t.lost
  if (missing === 0) return truncated ? `All ${n(t.all)} that are listed are up to date.` : `All ${n(t.all)} up to date.`
  const parts = [t.behind > 0 ? `${n(t.behind)} behind` : '', t.lost > 0 ? `${n(t.lost)} lost` : ''].filter(Boolean)
  return `${those}${n(t.connected)} of ${n(t.all)} up to date; ${parts.join(', ')}.`
}

export interface InstanceFilter {
  q?: string
  state?: string
  env?: string
}

export function filtered(items: readonly Instance[], { q, state, env }: InstanceFilter): Instance[] {
  const needle = (q ?? '').trim().toLowerCase()
  return items.filter(
    (i) =>
      (!state || i.state === state) &&
      (!env || i.environment === env) &&
      (!needle || [i.instance, i.application, i.sdk, i.sdkVersion, i.node].some((text) => (text ?? '').toLowerCase().includes(needle))),
  )
}

import type { FlagState } from '../../api/flags'
import type { FlagsSearch } from '../../app/search'

// What the list of flags shows: pure functions of all flags and what the URL asks for.

export type Cell = FlagState['environments'][string]

export const states = ['off', 'on', 'exposure', 'rules', 'killed'] as const
export type State = (typeof states)[number]

export const stateNames: Record<State, string> = { off: 'Off', on: 'On for everyone', exposure: 'Part of everyone', rules: 'Rules', killed: 'Killed' }

export const typeNames: Record<string, string> = { boolean: 'Boolean', string: 'String', number: 'Number', json: 'JSON' }

const haystacks = new WeakMap<FlagState, string>()

function haystack(item: FlagState): string {
  let text = haystacks.get(item)
  if (text === undefined) {
    const { key, name, description, owner, tags } = item.flag
    text = [key, name, description, owner, ...(tags ?? [])].join('\n').toLowerCase()
    haystacks.set(item, text)
  }
  return text
}

// filterFlags keeps what matches: every word of q somewhere in key, name, description, owner or tags; the state in the named environment, or in any.
export function filterFlags(items: readonly FlagState[], search: FlagsSearch): FlagState[] {
  const words = (search.q ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  const { tag, type, kind, owner, state, env } = search
  return items.filter((item) => {
    const { flag, environments } = item
    if (tag !== undefined && !flag.tags?.includes(tag)) return false
    if (type !== undefined && flag.type !== type) return false
    if (kind !== undefined && flag.kind !== kind) return false
    if (owner !== undefined && flag.owner !== owner) return false
    if (state !== undefined) {
      const cells = env === undefined ? Object.values(environments) : [environments[env]]
      if (!cells.some((cell) => cell?.state === state)) return false
    }
    return words.every((word) => haystack(item).includes(word))
  })
}

export type Sort = { by: 'flag' | 'kind' | 'changed' | `env:${string}`; down: boolean }

export function parseSort(text: string | undefined): Sort {
  const down = text?.startsWith('-') === true
  const by = down ? text.slice(1) : text
  if (by === 'kind' || by === 'changed' || by?.startsWith('env:')) return { by: by as Sort['by'], down }
  return { by: 'flag', down }
}

// nextSort is what a click on a column's head asks for: up, then down, then as it was at first.
export function nextSort(now: Sort, by: Sort['by']): string | undefined {
  const first = by !== 'flag' && by !== 'kind' // of what is measured, the most comes first
  const text = (down: boolean) => (by === 'flag' && !down ? undefined : (down ? '-' : '') + by)
  if (now.by !== by) return text(first)
  return now.down === first ? text(!first) : undefined
}

// brightness orders cells: how much of the audience sees something; killed above all, since that is what one looks for.
function brightness(cell: Cell | undefined): number {
  switch (cell?.state) {
    case 'killed':
      return 1000
    case 'rules':
      return 0.5 + (cell.exposure ?? 0)
    case 'on':
    case 'exposure':
      return cell.exposure ?? 0
    default:
      return -1
  }
}

export function sortFlags(items: readonly FlagState[], sort: Sort): readonly FlagState[] {
  const way = sort.down ? -1 : 1
  // Keys are compared as the server orders them: by code unit, which is also the quickest.
  const byKey = (a: FlagState, b: FlagState) => (a.flag.key < b.flag.key ? -1 : a.flag.key > b.flag.key ? 1 : 0)
  const compare = ((): ((a: FlagState, b: FlagState) => number) => {
    if (sort.by === 'flag') return byKey
    if (sort.by === 'kind') return (a, b) => (a.flag.kind ?? '').localeCompare(b.flag.kind ?? '')
    if (sort.by === 'changed') return (a, b) => changedAt(a).localeCompare(changedAt(b))
    const env = sort.by.slice('env:'.length)
    return (a, b) => brightness(a.environments[env]) - brightness(b.environments[env])
  })()
  return items.toSorted((a, b) => way * compare(a, b) || byKey(a, b))
}

function changedAt(item: FlagState): string {
  return item.flag.updatedAt ?? ''
}

// facets are the values that can be filtered by, each once, in order.
export function facets(items: readonly FlagState[]): { tags: string[]; owners: string[] } {
  const tags = new Set<string>()
  const owners = new Set<string>()
  for (const { flag } of items) {
    for (const tag of flag.tags ?? []) tags.add(tag)
    if (flag.owner) owners.add(flag.owner)
  }
  return { tags: [...tags].sort(), owners: [...owners].sort() }
}

// Search parameters of the routes: everything that a screen shows stands in the URL, and each value is text. Empty values are left out.

export type FlagsSearch = { env?: string; q?: string; tag?: string; type?: string; owner?: string; state?: string; kind?: string; sort?: string; archived?: string }
export type FlagTab = 'targeting' | 'history' | 'evaluate'
export type FlagSearch = { env?: string; tab?: FlagTab }
export type EnvironmentsSearch = { compare?: string; flag?: string }
export type SegmentsSearch = { q?: string }
export type SegmentSearch = { env?: string }
export type LogSearch = { flag?: string; actor?: string; env?: string; rev?: string }
export type InstancesSearch = { env?: string; q?: string; state?: string }
export type SignInSearch = { next?: string }

function pick<K extends string>(search: Record<string, unknown>, ...names: K[]): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {}
  for (const name of names) {
    const value = search[name]
    if (typeof value === 'string' && value !== '') found[name] = value
  }
  return found
}

type Raw = Record<string, unknown>
const tabs: readonly string[] = ['targeting', 'history', 'evaluate'] satisfies FlagTab[]

export const flagsSearch = (raw: Raw): FlagsSearch => pick(raw, 'env', 'q', 'tag', 'type', 'owner', 'state', 'kind', 'sort', 'archived')
export const environmentsSearch = (raw: Raw): EnvironmentsSearch => pick(raw, 'compare', 'flag')
export const segmentsSearch = (raw: Raw): SegmentsSearch => pick(raw, 'q')
export const segmentSearch = (raw: Raw): SegmentSearch => pick(raw, 'env')
export const logSearch = (raw: Raw): LogSearch => pick(raw, 'flag', 'actor', 'env', 'rev')
export const instancesSearch = (raw: Raw): InstancesSearch => pick(raw, 'env', 'q', 'state')
export const signInSearch = (raw: Raw): SignInSearch => pick(raw, 'next')

export function flagSearch(raw: Raw): FlagSearch {
  const { env, tab } = pick(raw, 'env', 'tab')
  return { ...(env && { env }), ...(tab && tabs.includes(tab) && { tab: tab as FlagTab }) }
}

import type { FlagState } from '../../api/flags'

export interface Counts {
  all: number
  lit: number // somebody may get something else than off
  killed: number
  off: number
  rules: number // all flags' rules together
}

/** What flags do in an environment, counted. */
export function countStates(flags: readonly FlagState[], environment: string): Counts {
  const out: Counts = { all: 0, lit: 0, killed: 0, off: 0, rules: 0 }
  for (const flag of flags) {
    const e = flag.environments[environment]
    if (!e) continue
    out.all++
    out.rules += e.rules ?? 0
    if (e.state === 'killed') out.killed++
    else if (e.state === 'off' || e.state === 'archived' || ((e.state === 'on' || e.state === 'exposure') && !e.exposure)) out.off++
    else out.lit++
  }
  return out
}

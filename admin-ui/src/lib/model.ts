// The documents that people author, as the REST API carries them. They are written down here, and not taken from the generated
// schema, because that leaves conditions open and this code has to know every form of them. docs/ruleset.md says what each means.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

export type FlagType = 'boolean' | 'string' | 'number' | 'json'

export const operators = [
  'in',
  'contains',
  'startsWith',
  'endsWith',
  'matches',
  'lt',
  'lte',
  'gt',
  'gte',
  'before',
  'after',
  'semverEq',
  'semverLt',
  'semverLte',
  'semverGt',
  'semverGte',
  'semverTilde',
  'semverCaret',
  'inCidr',
  'modulo',
  'exists',
] as const
export type Operator = (typeof operators)[number]

export interface Clause {
  attribute: string
  op: Operator
  values?: Json[]
  ignoreCase?: boolean
  negate?: boolean
}
export type Condition =
  { all: Condition[] } | { any: Condition[] } | { not: Condition } | { segment: string } | { flag: string; variants: string[] } | Clause

/** A piece of the assignment line: buckets from…to−1 of 100,000. seq and prev are the server's memory of who moved when. */
export interface Range {
  variant: string
  from: number
  to: number
  seq?: number
  prev?: string
}

/** Percentages are numbers of percent, multiples of 0.001; see percent.ts for the exact way to and from buckets. */
export interface Distribution {
  bucketBy?: string[]
  exposure: number
  weights?: Record<string, number>
  otherwise?: string
  hash?: string
  ranges?: Range[]
}

/** Exactly one of the two. */
export interface Serve {
  variant?: string
  distribution?: Distribution
}

export interface Rule {
  id: string
  name?: string
  when?: Condition
  serve: Serve
}

export interface Prerequisite {
  flag: string
  variants: string[]
}

export interface Targeting {
  enabled: boolean
  off: string
  prerequisites?: Prerequisite[]
  rules?: Rule[]
  default: Serve
  lines?: Record<string, Range[]>
  version?: number
  updatedAt?: string
}

export interface Variant {
  key: string
  name?: string
  description?: string
  value: Json
}

export interface Flag {
  key: string
  name?: string
  description?: string
  type: FlagType
  kind?: string
  tags?: string[]
  owner?: string
  clientVisible?: boolean
  variants?: Variant[]
  jsonSchema?: Json
  archived?: boolean
  salt?: string
  version?: number
  createdAt?: string
  updatedAt?: string
}

/** What a targeting serves at one place: a rule by its id, or the default. */
export const defaultRule = 'default'

export type Form = 'all' | 'any' | 'not' | 'segment' | 'flag' | 'clause'

export function formOf(c: Condition): Form {
  if ('all' in c) return 'all'
  if ('any' in c) return 'any'
  if ('not' in c) return 'not'
  if ('segment' in c) return 'segment'
  if ('flag' in c) return 'flag'
  return 'clause'
}

export function isClause(c: Condition): c is Clause {
  return 'op' in c
}

/** Visits what a targeting can serve, rules in their order and the default last. */
export function eachServe(t: Targeting, visit: (id: string, serve: Serve, rule: Rule | undefined) => void): void {
  for (const r of t.rules ?? []) visit(r.id, r.serve, r)
  visit(defaultRule, t.default, undefined)
}

export function serveOf(t: Targeting, id: string): Serve | undefined {
  return id === defaultRule ? t.default : t.rules?.find((r) => r.id === id)?.serve
}

/** The same targeting with another serve at one place. */
export function withServe(t: Targeting, id: string, serve: Serve): Targeting {
  if (id === defaultRule) return { ...t, default: serve }
  return { ...t, rules: (t.rules ?? []).map((r) => (r.id === id ? { ...r, serve } : r)) }
}

/** What an author may write of a targeting: without what the server owns. */
export function authored(t: Targeting): Targeting {
  const bare = (s: Serve): Serve => {
    if (!s.distribution) return s.variant === undefined ? {} : { variant: s.variant }
    const { bucketBy, exposure, weights, otherwise } = s.distribution
    return {
      distribution: {
        ...(bucketBy?.length ? { bucketBy } : {}),
        exposure,
        weights: Object.fromEntries(Object.entries(weights ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))),
        ...(otherwise ? { otherwise } : {}),
      },
    }
  }
  return {
    enabled: t.enabled,
    off: t.off,
    ...(t.prerequisites?.length ? { prerequisites: t.prerequisites } : {}),
    ...(t.rules?.length
      ? { rules: t.rules.map((r) => ({ id: r.id, ...(r.name ? { name: r.name } : {}), ...(r.when ? { when: r.when } : {}), serve: bare(r.serve) })) }
      : {}),
    default: bare(t.default),
  }
}

/** Whether two JSON values are alike; the order of an object's members does not matter. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => same(x, b[i]))
  }
  const x = Object.entries(a).filter(([, v]) => v !== undefined)
  const y = new Map(Object.entries(b).filter(([, v]) => v !== undefined))
  return x.length === y.size && x.every(([k, v]) => y.has(k) && same(v, y.get(k)))
}

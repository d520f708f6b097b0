// The server's trace of one evaluation (evaluator.Trace), and why each step came out as it did, in words.
// A trace has at most 64 KiB: what there was no room for is absent, and the part that it belongs to says so in truncated. What is absent there is
// untold, and nothing may be concluded from it.

import type { Clause, Json } from './model'
import { valueText } from './sentence'

export type TraceState = 'true' | 'false' | 'error' | 'skipped'

export interface TraceResult {
  value?: Json
  variant?: string
  reason: string
  cause?: string
  rule?: string
  version?: number
  error?: string
  /** The value, or variant and rule, are untold. */
  truncated?: boolean
}

export interface TraceClause extends Clause {
  candidates?: { value: Json; usable: boolean; match: boolean; truncated?: boolean }[]
  /** Not all values and candidates are told; one that matches comes last. */
  truncated?: boolean
  why: 'missing' | 'there' | 'unusable' | 'match' | 'noMatch'
}

export interface TraceSegment {
  key: string
  why: 'inactive' | 'included' | 'excluded' | 'when' | 'unlisted' | ''
  attribute?: string
  list?: boolean
  when?: TraceCondition
  truncated?: boolean
}

export interface TraceCondition {
  state: TraceState
  all?: TraceCondition[]
  any?: TraceCondition[]
  not?: TraceCondition
  segment?: TraceSegment
  flag?: Trace
  variants?: string[]
  clause?: TraceClause
  truncated?: boolean
}

export interface TraceBucket {
  input: string
  bucket: number
}

export interface TraceDistribution {
  bucketBy?: { attribute: string; value?: Json; key?: string; truncated?: boolean }[]
  exposure: number
  expose?: TraceBucket
  exposed: boolean
  keyless?: boolean
  assign?: TraceBucket
  range?: { variant: string; from: number; to: number }
  truncated?: boolean
}

export interface TraceServe {
  served?: string
  distribution?: TraceDistribution
}

export interface TraceRule {
  id: string
  state: TraceState
  when?: TraceCondition
  serve?: TraceServe
  truncated?: boolean
}

export interface Trace {
  flag: string
  kills?: string[]
  disabled?: boolean
  problems?: string[]
  prerequisites?: { flag: string; variants: string[]; state: TraceState; trace?: Trace; truncated?: boolean }[]
  rules?: TraceRule[]
  default?: TraceServe
  result: TraceResult
  /** Kills, problems, prerequisites, rules or the default are not all told: the first ones are. */
  truncated?: boolean
}

/** Why an answer is what it is, in a sentence. */
export function resultText(r: TraceResult, place: (rule: string) => string = (id) => `rule ${id}`): string {
  if (r.error) {
    const why: Record<string, string> = {
      FLAG_NOT_FOUND: 'there is no such flag',
      PARSE_ERROR: 'the flag cannot be used as it is stored',
      INVALID_CONTEXT: 'the context is not valid',
      TYPE_MISMATCH: 'the flag is of another type',
      GENERAL: 'a flag that it depends on ended in an error',
    }
    return `the caller’s default is used: ${why[r.error] ?? r.error}`
  }
  const by = r.rule ? place(r.rule) : r.truncated && r.variant === undefined ? 'a rule, or what everyone else gets,' : 'everyone else'
  switch (r.cause) {
    case 'killed':
      return 'the flag is killed, so everyone gets the off variant'
    case 'off':
      return 'the flag is off here, so everyone gets the off variant'
    case 'prerequisite':
      return 'a prerequisite fails, so the off variant is served'
    case 'rule':
      return `${r.rule ? by : 'a rule'} decides`
    case 'default':
      return 'no rule decides, so what everyone else gets'
    case 'unexposed':
      return `${by} decides, and this context is not among the exposed`
    case 'keyless':
      return `${by} decides, but nothing in the context yields a key to draw with`
  }
  return r.cause || r.reason
}

/** Which variant a flag came to, as far as it is told. */
export function servesText(r: TraceResult): string {
  return r.variant ?? (r.truncated && !r.error ? 'a variant that there was no room to tell' : 'nothing')
}

/** What a clause found, and why it is true or false. */
export function clauseWhy(c: TraceClause): string {
  const told = c.candidates ?? []
  const found = told.map((k) => (k.truncated ? 'something too long to tell' : valueText(k.value)))
  const match = told.findIndex((k) => k.match)
  const shown = found.length > 4 ? [...found.slice(0, 3), found[match > 3 ? match : 3]] : found
  const left = found.length - shown.length
  const more = c.truncated ? ' and perhaps more that there was no room to tell' : left > 0 ? ` and ${left} more` : ''
  const values = found.length > 0 ? `${shown.join(', ')}${more}` : 'something that there was no room to tell'
  switch (c.why) {
    case 'missing':
      return c.op === 'exists' ? `${c.attribute} is missing` : `${c.attribute} is missing; a clause about what is missing is never true`
    case 'there':
      return `it is ${values}`
    case 'unusable':
      if (found.length === 0 && !c.truncated) return `${c.attribute} is empty`
      return `${c.attribute} is ${values}, which ${c.op} cannot compare; such a clause is never true`
    case 'match':
      return `${c.attribute} is ${values}`
    case 'noMatch':
      return `${c.attribute} is ${values}`
  }
}

export function segmentWhy(s: TraceSegment): string {
  switch (s.why) {
    case 'inactive':
      return 'the segment is not active here, so nobody is in it'
    case 'included':
      return `included by ${s.attribute ?? 'name'}${s.list ? ', in its list' : ''}`
    case 'excluded':
      return `excluded by ${s.attribute ?? 'name'}${s.list ? ', in its list' : ''}`
    case 'when':
      return 'its condition decides'
    case 'unlisted':
      return 'not listed, and it has no condition'
    case '':
      return 'the segment cannot be used'
  }
}

/** Where a distribution put the context, in words; numbers of buckets of 100,000. */
export function distributionWhy(d: TraceDistribution): string[] {
  const n = (v: number) => v.toLocaleString('en-US')
  const out: string[] = []
  const asked = d.bucketBy ?? []
  const key = asked.find((k) => k.key)
  for (const k of asked) {
    if (k === key) continue
    const is = k.truncated ? 'is too long to tell, and is no key' : k.value === undefined ? 'is missing' : `is ${valueText(k.value)}, which is no key`
    out.push(`${k.attribute} ${is}`)
  }
  if (key) out.push(`drawn by ${key.attribute} = ${valueText(key.key)}`)
  if (d.keyless) return [...out, 'without a key nobody is exposed']
  if (d.exposure === 0) return [...out, 'nobody is exposed: the exposure is 0 %']
  if (d.expose) out.push(`bucket ${n(d.expose.bucket)} is ${d.exposed ? 'below' : 'not below'} ${n(d.exposure)}: ${d.exposed ? 'exposed' : 'not exposed'}`)
  else if (d.exposed) out.push('everyone is exposed')
  if (d.assign && d.range) out.push(`bucket ${n(d.assign.bucket)} lies in ${n(d.range.from)}…${n(d.range.to - 1)}: ${d.range.variant}`)
  return out
}

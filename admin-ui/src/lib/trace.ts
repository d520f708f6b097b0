// The server's trace of one evaluation (evaluator.Trace), and why each step came out as it did, in words.

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
}

export interface TraceClause extends Clause {
  candidates?: { value: Json; usable: boolean; match: boolean }[]
  why: 'missing' | 'there' | 'unusable' | 'match' | 'noMatch'
}

export interface TraceSegment {
  key: string
  why: 'inactive' | 'included' | 'excluded' | 'when' | 'unlisted' | ''
  attribute?: string
  list?: boolean
  when?: TraceCondition
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
}

export interface TraceBucket {
  input: string
  bucket: number
}

export interface TraceDistribution {
  bucketBy?: { attribute: string; value?: Json; key?: string }[]
  exposure: number
  expose?: TraceBucket
  exposed: boolean
  keyless?: boolean
  assign?: TraceBucket
  range?: { variant: string; from: number; to: number }
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
}

export interface Trace {
  flag: string
  kills?: string[]
  disabled?: boolean
  problems?: string[]
  prerequisites?: { flag: string; variants: string[]; state: TraceState; trace?: Trace }[]
  rules?: TraceRule[]
  default?: TraceServe
  result: TraceResult
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
  const by = r.rule ? place(r.rule) : 'everyone else'
  switch (r.cause) {
    case 'killed':
      return 'the flag is killed, so everyone gets the off variant'
    case 'off':
      return 'the flag is off here, so everyone gets the off variant'
    case 'prerequisite':
      return 'a prerequisite fails, so the off variant is served'
    case 'rule':
      return `${by} decides`
    case 'default':
      return 'no rule decides, so what everyone else gets'
    case 'unexposed':
      return `${by} decides, and this context is not among the exposed`
    case 'keyless':
      return `${by} decides, but nothing in the context yields a key to draw with`
  }
  return r.cause || r.reason
}

/** What a clause found, and why it is true or false. */
export function clauseWhy(c: TraceClause): string {
  const found = (c.candidates ?? []).map((k) => valueText(k.value))
  const values = found.length > 4 ? `${found.slice(0, 4).join(', ')} and ${found.length - 4} more` : found.join(', ')
  switch (c.why) {
    case 'missing':
      return c.op === 'exists' ? `${c.attribute} is missing` : `${c.attribute} is missing; a clause about what is missing is never true`
    case 'there':
      return `it is ${values}`
    case 'unusable':
      if (found.length === 0) return `${c.attribute} is empty`
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
  for (const k of asked) if (k !== key) out.push(`${k.attribute} ${k.value === undefined ? 'is missing' : `is ${valueText(k.value)}, which is no key`}`)
  if (key) out.push(`drawn by ${key.attribute} = ${valueText(key.key)}`)
  if (d.keyless) return [...out, 'without a key nobody is exposed']
  if (d.exposure === 0) return [...out, 'nobody is exposed: the exposure is 0 %']
  if (d.expose) out.push(`bucket ${n(d.expose.bucket)} is ${d.exposed ? 'below' : 'not below'} ${n(d.exposure)}: ${d.exposed ? 'exposed' : 'not exposed'}`)
  else if (d.exposed) out.push('everyone is exposed')
  if (d.assign && d.range) out.push(`bucket ${n(d.assign.bucket)} lies in ${n(d.range.from)}…${n(d.range.to - 1)}: ${d.range.variant}`)
  return out
}

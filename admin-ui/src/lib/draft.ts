// An edited targeting: what is still wrong with it before it is sent, and by which call it is saved and taken back.

import type { Condition, Distribution, Serve, Targeting } from './model'
import { authored, eachServe, isClause, same, serveOf, withServe } from './model'
import { formatBuckets, toBuckets } from './percent'
import { clauseProblems } from './values'

/** By JSON pointer into the targeting, in words. */
export type Problems = Record<string, string>

export function dirty(base: Targeting, draft: Targeting): boolean {
  return !same(authored(base), authored(draft))
}

/** How a draft is saved: a ramp and a switch need a lesser right than a new targeting, and say in the log what they are. */
export type Save = { kind: 'ramp'; rule: string; exposure: number; from: number } | { kind: 'turn'; on: boolean } | { kind: 'put' }

export function saveOf(base: Targeting, draft: Targeting): Save {
  const [a, b] = [authored(base), authored(draft)]
  if (a.enabled !== b.enabled && same({ ...a, enabled: true }, { ...b, enabled: true })) return { kind: 'turn', on: b.enabled }
  const ramps: { rule: string; exposure: number; from: number }[] = []
  let level = b
  eachServe(a, (id, serve) => {
    const d = serveOf(b, id)?.distribution
    if (!serve.distribution || !d || toBuckets(d.exposure) === toBuckets(serve.distribution.exposure)) return
    ramps.push({ rule: id, exposure: d.exposure, from: serve.distribution.exposure })
    level = withServe(level, id, { distribution: { ...d, exposure: serve.distribution.exposure } })
  })
  const [only] = ramps
  if (!only || ramps.length > 1 || !same({ ...a, enabled: true }, { ...level, enabled: true })) return { kind: 'put' }
  // A ramp above 0 turns the flag on, and touches the switch in no other way.
  const after = a.enabled || only.exposure > 0
  return after === b.enabled ? { kind: 'ramp', ...only } : { kind: 'put' }
}

/** What is set when somebody turns the knob: as the server's ramp does it, an exposure above 0 turns the flag on. Back at where it was it is off again. */
export function exposed(base: Targeting, draft: Targeting, id: string, exposure: number): Targeting {
  const d = serveOf(draft, id)?.distribution
  if (!d) return draft
  const next = withServe(draft, id, { distribution: { ...d, exposure } })
  if (base.enabled) return next
  const old = serveOf(base, id)?.distribution
  const asBefore = old !== undefined && toBuckets(old.exposure) === toBuckets(exposure)
  return { ...next, enabled: asBefore ? base.enabled : exposure > 0 || draft.enabled }
}

/** Everything that can be told without the server. */
export function problemsOf(t: Targeting): Problems {
  const out: Problems = {}
  for (const [i, p] of (t.prerequisites ?? []).entries()) {
    if (p.flag === '') out[`/prerequisites/${i}/flag`] = 'choose a flag'
    else if (p.variants.length === 0) out[`/prerequisites/${i}/variants`] = 'choose at least one variant that it has to serve'
  }
  for (const [i, r] of (t.rules ?? []).entries()) {
    if (r.when) conditionProblems(r.when, `/rules/${i}/when`, out)
    serveProblems(r.serve, `/rules/${i}/serve`, out)
  }
  serveProblems(t.default, '/default', out)
  return out
}

export function conditionProblems(c: Condition, at: string, out: Problems = {}): Problems {
  if (isClause(c)) for (const [pointer, detail] of Object.entries(clauseProblems(c))) out[at + pointer] = detail
  else if ('all' in c) c.all.forEach((kid, i) => conditionProblems(kid, `${at}/all/${i}`, out))
  else if ('any' in c) c.any.forEach((kid, i) => conditionProblems(kid, `${at}/any/${i}`, out))
  else if ('not' in c) conditionProblems(c.not, `${at}/not`, out)
  else if ('segment' in c) {
    if (c.segment === '') out[`${at}/segment`] = 'choose a segment'
  } else if (c.flag === '') out[`${at}/flag`] = 'choose a flag'
  else if (c.variants.length === 0) out[`${at}/variants`] = 'choose at least one variant'
  return out
}

function serveProblems(s: Serve, at: string, out: Problems): void {
  const d = s.distribution
  if (!d) {
    if (!s.variant) out[`${at}/variant`] = 'choose a variant'
    return
  }
  const left = weightsLeft(d)
  if (left !== 0) out[`${at}/distribution/weights`] = left > 0 ? `${formatBuckets(left)} % are still to be given` : `${formatBuckets(-left)} % too much`
  if (d.bucketBy?.some((p) => p.trim() === '')) out[`${at}/distribution/bucketBy`] = 'an attribute’s name is missing'
}

/** Buckets that the weights leave to be given; below 0: too many. */
export function weightsLeft(d: Distribution): number {
  return 100_000 - Object.values(d.weights ?? {}).reduce((sum, w) => sum + toBuckets(w), 0)
}

/** The problems at a pointer or below it, by what follows the pointer. */
export function below(problems: Problems, pointer: string): Problems {
  return Object.fromEntries(
    Object.entries(problems)
      .filter(([p]) => p === pointer || p.startsWith(`${pointer}/`))
      .map(([p, detail]) => [p.slice(pointer.length), detail]),
  )
}

/** Puts a rule to another place. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const out = [...list]
  const [item] = out.splice(from, 1)
  if (item !== undefined) out.splice(Math.min(out.length, Math.max(0, to)), 0, item)
  return out
}

/** What a new distribution begins with: nobody exposed, the given variants in equal parts. */
export function newDistribution(variants: readonly string[], otherwise: string | undefined): Distribution {
  const n = variants.length
  const weights = Object.fromEntries(variants.map((key, i) => [key, (Math.floor(100_000 / n) + (i < 100_000 % n ? 1 : 0)) / 1000]))
  return { exposure: 0, weights, ...(otherwise ? { otherwise } : {}) }
}

/** Where the server puts what is wrong with a targeting that it was asked about in a larger body. */
export function ownPointers(problems: Problems): Problems {
  return Object.fromEntries(Object.entries(problems).map(([p, detail]) => [p.replace(/^\/targeting(?=\/|$)/, ''), detail]))
}


// The hash line: every context has one of 100,000 buckets on a line that decides whether it is exposed, and independently one on a line
// that decides its variant. Here two allocations of these lines are compared, exactly as the server's preview does it
// (service/compile/preview.go), and laid out for drawing.

import type { Flag, Range, Rule, Serve, Targeting } from './model'
import { defaultRule, eachServe, serveOf } from './model'
import { buckets, toBuckets } from './percent'
import { reallocate } from './reallocate'

/** What a distribution comes to: who is exposed, and who gets what. A serve of one variant is exposed to all. */
export interface Line {
  /** Absent: one variant is served and nothing is hashed. */
  bucketBy?: string[]
  exposure: number
  /** Served to those who are not exposed; empty: what follows the rule decides. */
  otherwise: string
  ranges: Range[]
}

/** Numbers of pairs of buckets that come to be exposed, cease to be, and stay exposed with another variant; and what is served instead of what. */
export interface Shift {
  before: number
  after: number
  enter: number
  leave: number
  switch: number
  moves: { from: string; to: string; share: number }[]
  /** Other bucketing attributes: everyone is drawn anew, and nothing can be counted. */
  redrawn: boolean
}

/** fallback is served to those who are not exposed when the distribution does not say: the off variant for the default, else nothing (''). */
export function lineOf(serve: Serve, fallback: string): Line {
  const d = serve.distribution
  if (!d) return { exposure: buckets, otherwise: '', ranges: [{ variant: serve.variant || fallback, from: 0, to: buckets }] }
  return {
    bucketBy: d.bucketBy?.length ? d.bucketBy : ['targetingKey'],
    exposure: toBuckets(d.exposure),
    otherwise: d.otherwise || fallback,
    ranges: d.ranges ?? [],
  }
}

/** The line of a rule or the default of a targeting. */
export function lineAt(t: Targeting, id: string): Line | undefined {
  const serve = serveOf(t, id)
  return serve && lineOf(serve, id === defaultRule ? t.off : '')
}

/**
 * An edited targeting with the ranges that the server would give it. A distribution whose weights are no split keeps the ranges that it
 * had, so that there is something to draw until they are.
 */
export function laidOut(flag: Flag, before: Targeting, after: Targeting): Targeting {
  const known = new Map<string, { ranges: Range[]; weights?: Record<string, number> }>()
  for (const [id, ranges] of Object.entries(before.lines ?? {})) known.set(id, { ranges })
  eachServe(before, (id, { distribution: d }) => {
    if (d?.ranges?.length) known.set(id, { ranges: d.ranges, weights: d.weights })
  })
  const lay = (id: string, serve: Serve): Serve => {
    const d = serve.distribution
    if (!d) return serve
    const old = known.get(id)
    // What is as it was stays the very same object, so that a screen need not draw it again.
    if (old?.weights && sameWeights(old.weights, d.weights ?? {})) return d.ranges === old.ranges ? serve : { distribution: { ...d, ranges: old.ranges } }
    const weights = (flag.variants ?? [])
      .filter((v) => d.weights?.[v.key] !== undefined)
      .map((v) => ({ variant: v.key, weight: toBuckets(d.weights?.[v.key] ?? 0) }))
    return { distribution: { ...d, ranges: reallocate(old?.ranges ?? [], weights) ?? old?.ranges ?? [] } }
  }
  return {
    ...after,
    ...(after.rules ? { rules: after.rules.map((r) => kept(r, lay(r.id, r.serve))) } : {}),
    default: lay(defaultRule, after.default),
  }
}

function kept(r: Rule, serve: Serve): Rule {
  return serve === r.serve ? r : { ...r, serve }
}

function sameWeights(a: Record<string, number>, b: Record<string, number>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((k) => b[k] !== undefined && toBuckets(a[k] ?? 0) === toBuckets(b[k] ?? 0))
}

export function compare(a: Line, b: Line): Shift {
  const out: Shift = { before: a.exposure, after: b.exposure, enter: 0, leave: 0, switch: 0, moves: [], redrawn: redrawn(a, b) }
  if (out.redrawn) return out
  const moves = new Map<string, { from: string; to: string; share: number }>()
  const move = (from: string, to: string, share: number) => {
    const key = `${from}\n${to}`
    const m = moves.get(key) ?? { from, to, share: 0 }
    m.share += share
    moves.set(key, m)
  }
  const low = Math.min(a.exposure, b.exposure)
  const high = Math.max(a.exposure, b.exposure)
  for (const s of cut(a.ranges, b.ranges)) {
    const width = s.to - s.from
    if (s.before !== s.after) out.switch += low * width
    move(s.before, s.after, low * width)
    if (b.exposure > a.exposure) {
      out.enter += (high - low) * width
      move(a.otherwise, s.after, (high - low) * width)
    } else {
      out.leave += (high - low) * width
      move(s.before, b.otherwise, (high - low) * width)
    }
    move(a.otherwise, b.otherwise, (buckets - high) * width)
  }
  out.moves = [...moves.values()].filter((m) => m.from !== m.to && m.share > 0).sort((x, y) => order(x.from, y.from) || order(x.to, y.to))
  return out
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function redrawn(a: Line, b: Line): boolean {
  return !!a.bucketBy && !!b.bucketBy && a.bucketBy.join('\n') !== b.bucketBy.join('\n')
}

/** Cuts the line at every border of either side. */
export function cut(a: readonly Range[], b: readonly Range[]): { from: number; to: number; before: string; after: string }[] {
  const out: { from: number; to: number; before: string; after: string }[] = []
  for (let i = 0, j = 0, at = 0; i < a.length && j < b.length;) {
    const x = a[i]
    const y = b[j]
    if (!x || !y) break
    const end = Math.min(x.to, y.to)
    if (end > at) out.push({ from: at, to: end, before: x.variant, after: y.variant })
    at = Math.max(at, end)
    if (x.to === end) i++
    if (y.to === end) j++
  }
  return out
}

/** Of all who reach the line, the share in pairs that gets each variant; '' is what follows. */
export function shares(line: Line): Map<string, number> {
  const out = new Map<string, number>()
  const add = (variant: string, n: number) => {
    if (n > 0) out.set(variant, (out.get(variant) ?? 0) + n)
  }
  for (const r of line.ranges) add(r.variant, (r.to - r.from) * line.exposure)
  add(line.otherwise, (buckets - line.exposure) * buckets)
  return out
}

/** Buckets of the assignment line by variant. */
export function weightsOf(ranges: readonly Range[]): Map<string, number> {
  const out = new Map<string, number>()
  for (const r of ranges) out.set(r.variant, (out.get(r.variant) ?? 0) + r.to - r.from)
  return out
}

export type ExposureState = 'in' | 'enter' | 'leave' | 'out'
export interface ExposurePiece {
  from: number
  to: number
  state: ExposureState
}

/** The exposure line in pieces: exposed buckets are its lower end, so a ramp up adds and takes nobody away. */
export function exposurePieces(before: number, after: number): ExposurePiece[] {
  const low = Math.min(before, after)
  const high = Math.max(before, after)
  const pieces: ExposurePiece[] = [
    { from: 0, to: low, state: 'in' },
    { from: low, to: high, state: after > before ? 'enter' : 'leave' },
    { from: high, to: buckets, state: 'out' },
  ]
  return pieces.filter((p) => p.to > p.from)
}

export interface AssignmentPiece {
  from: number
  to: number
  variant: string
  /** The variant that it had, when that is another. */
  was?: string
}

/** The assignment line in pieces, neighbours that are alike joined. */
export function assignmentPieces(before: readonly Range[], after: readonly Range[]): AssignmentPiece[] {
  const out: AssignmentPiece[] = []
  for (const s of cut(before.length ? before : after, after)) {
    const was = s.before === s.after ? undefined : s.before
    const last = out.at(-1)
    if (last && last.variant === s.after && last.was === was && last.to === s.from) last.to = s.to
    else out.push({ from: s.from, to: s.to, variant: s.after, ...(was === undefined ? {} : { was }) })
  }
  return out
}

export interface Placed<T> {
  piece: T
  x: number
  width: number
}

/**
 * Places pieces of a whole line on width pixels. Borders fall on whole pixels, and a piece is never narrower than least pixels, be it one
 * bucket: its neighbours give way. Only when there are more pieces than that has room for do they share the width evenly down to less.
 */
export function place<T extends { from: number; to: number }>(pieces: readonly T[], width: number, least = 1): Placed<T>[] {
  if (pieces.length === 0 || width <= 0) return []
  const room = Math.min(least, width / pieces.length)
  const whole = room === least
  const edges = [0, ...pieces.map((p) => (whole ? Math.round((p.to / buckets) * width) : (p.to / buckets) * width))]
  edges[pieces.length] = width
  for (let i = 1; i < pieces.length; i++) edges[i] = Math.max(at(edges, i), at(edges, i - 1) + room)
  for (let i = pieces.length - 1; i > 0; i--) edges[i] = Math.min(at(edges, i), at(edges, i + 1) - room)
  return pieces.map((piece, i) => ({ piece, x: at(edges, i), width: at(edges, i + 1) - at(edges, i) }))
}

function at(edges: readonly number[], i: number): number {
  return edges[i] ?? 0
}

/** The bucket under a pixel, rounded to a step (in buckets). */
export function bucketAt(x: number, width: number, step: number): number {
  if (width <= 0) return 0
  const n = Math.round(((x / width) * buckets) / step) * step
  return Math.min(buckets, Math.max(0, n))
}

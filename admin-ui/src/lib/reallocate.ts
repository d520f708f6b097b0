// How the server moves variants on the assignment line when weights change, step for step as evaluator/reallocate.go does it, so that
// the line can be drawn while somebody drags. The server's preview stays the truth about the numbers.

import type { Range } from './model'
import { buckets } from './percent'

export interface Weight {
  variant: string
  weight: number // buckets
}

type Line = Required<Range>[]

/** How many pieces a line may have. */
const maxRanges = 1000

/**
 * The line with new weights (together all buckets), moving as little of it as possible. No ranges at all is a new line, in the order of
 * the weights. Undefined when the weights are no split or cut the line into too many pieces: then only the server can say.
 */
export function reallocate(ranges: readonly Range[], weights: readonly Weight[]): Range[] | undefined {
  if (weights.some((w) => w.weight < 0) || weights.reduce((sum, w) => sum + w.weight, 0) !== buckets) return undefined
  if (ranges.length === 0) return newLine(weights)
  const change = new Map<string, number>()
  for (const w of weights) change.set(w.variant, (change.get(w.variant) ?? 0) + w.weight)
  for (const r of ranges) change.set(r.variant, (change.get(r.variant) ?? 0) - (r.to - r.from))
  const old: Line = ranges.map((r) => ({ variant: r.variant, from: r.from, to: r.to, seq: r.seq ?? 0, prev: r.prev ?? '' }))
  const now = old.reduce((n, r) => Math.max(n, r.seq + 1), 1)
  const alike = (a: Required<Range>, b: Required<Range>) => a.variant === b.variant && a.seq === b.seq && a.prev === b.prev
  const line = merge(new Mover(old, weights, change, now).result(), alike)
  return line.length > maxRanges ? undefined : line
}

function newLine(weights: readonly Weight[]): Range[] {
  const line: Range[] = []
  let from = 0
  for (const w of weights) {
    if (w.weight > 0) line.push({ variant: w.variant, from, to: from + w.weight, seq: 1, prev: '' })
    from += w.weight
  }
  return line
}

/** A part of the line that waits for its new variant; left and right are the variants beside it. */
interface Stretch extends Required<Range> {
  left: string
  right: string
}

class Mover {
  private readonly kept: Line = []
  private readonly moved: Line = []
  private readonly need = new Map<string, number>() // of the growing variants
  private readonly growing: string[] = [] // in the order of the weights

  constructor(
    private readonly line: Line,
    weights: readonly Weight[],
    change: Map<string, number>,
    private readonly now: number,
  ) {
    for (const w of weights) {
      const n = change.get(w.variant) ?? 0
      if (n > 0) {
        this.need.set(w.variant, n)
        this.growing.push(w.variant)
      }
    }
    const surplus = new Map([...change].filter(([, n]) => n < 0).map(([v, n]) => [v, -n] as const))
    this.give(this.release(surplus).flatMap((p) => this.giveTo(p, p.prev)))
  }

  result(): Line {
    return [...this.kept, ...this.moved].sort((a, b) => a.from - b.from)
  }

  private needs(variant: string): number {
    return this.need.get(variant) ?? 0
  }

  /** Takes from every variant what it has too much, its latest pieces first. */
  private release(surplus: Map<string, number>): Stretch[] {
    const pieces = this.line.map((r, i) => ({ ...r, left: this.line[i - 1]?.variant ?? '', right: this.line[i + 1]?.variant ?? '' }))
    pieces.sort((a, b) => b.seq - a.seq || b.from - a.from)
    const released: Stretch[] = []
    for (const p of pieces) {
      const left = surplus.get(p.variant) ?? 0
      if (left >= p.to - p.from) {
        surplus.set(p.variant, left - (p.to - p.from))
        released.push(p)
      } else if (left > 0) {
        released.push(this.cut(p, left))
        surplus.set(p.variant, 0)
      } else {
        this.keep(p)
      }
    }
    return released
  }

  private keep(p: Required<Range>): void {
    this.kept.push({ variant: p.variant, from: p.from, to: p.to, seq: p.seq, prev: p.prev })
  }

  /** Keeps p but for n buckets, which it returns: those beside a growing variant, else the upper ones. */
  private cut(p: Stretch, n: number): Stretch {
    if (this.needs(p.left) > 0 && this.needs(p.right) === 0) {
      this.keep({ ...p, from: p.from + n })
      return { ...p, to: p.from + n, right: p.variant }
    }
    this.keep({ ...p, to: p.to - n })
    return { ...p, from: p.to - n, left: p.variant }
  }

  /** Gives the rest, each piece to a variant beside it if one needs it, else to the first that does. */
  private give(released: Stretch[]): void {
    const queue = [...released].sort((a, b) => a.from - b.from)
    for (let p = queue.shift(); p; p = queue.shift()) {
      let to: string | undefined = p.left
      if (this.needs(to) === 0) to = p.right
      if (this.needs(to) === 0) to = this.growing.find((v) => this.needs(v) > 0)
      if (to === undefined) return // not reached: what is released is what is needed
      queue.unshift(...this.giveTo(p, to))
    }
  }

  /** Gives as much of p as the variant needs, from the end that touches it, else the lower one, and returns what is left. */
  private giveTo(p: Stretch, variant: string): Stretch[] {
    const n = Math.min(this.needs(variant), p.to - p.from)
    if (n === 0) return [p]
    this.need.set(variant, this.needs(variant) - n)
    const upper = p.right === variant && p.left !== variant
    const given = upper ? { ...p, from: p.to - n } : { ...p, to: p.from + n }
    const rest = upper ? { ...p, to: p.to - n, right: variant } : { ...p, from: p.from + n, left: variant }
    this.moved.push({ variant, from: given.from, to: given.to, seq: this.now, prev: p.variant })
    return rest.from === rest.to ? [] : [rest]
  }
}

/** Makes one of neighbours that are the same. The later memory of the two stays. */
function merge(line: Line, same: (a: Required<Range>, b: Required<Range>) => boolean): Line {
  const out: Line = []
  for (const r of line) {
    const last = out.at(-1)
    if (last && same(last, r)) {
      out[out.length - 1] = { ...(r.seq > last.seq ? r : last), from: last.from, to: r.to }
    } else {
      out.push(r)
    }
  }
  return out
}

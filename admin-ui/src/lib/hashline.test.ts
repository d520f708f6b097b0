import { describe, expect, test } from 'vitest'
import { assignmentPieces, bucketAt, compare, cut, exposurePieces, laidOut, type Line, lineAt, lineOf, place, shares } from './hashline'
import type { Flag, Range, Targeting } from './model'
import { buckets, pairs } from './percent'
import { reallocate, type Weight } from './reallocate'

/** A line from variants and widths in buckets. */
function ranges(...parts: [string, number][]): Range[] {
  let from = 0
  return parts.map(([variant, width]) => ({ variant, from, to: (from += width) }))
}

function line(exposure: number, r: Range[], otherwise = 'off'): Line {
  return { bucketBy: ['targetingKey'], exposure, otherwise, ranges: r }
}

const on = ranges(['on', buckets])

/** Numbers that come the same each time. */
function* numbers(seed: number): Generator<number, never> {
  for (let s = seed; ;) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    yield s / 2 ** 32
  }
}

describe('comparing two allocations', () => {
  test('a ramp up lets people enter and moves nobody', () => {
    expect(compare(line(12_500, on), line(25_000, on))).toEqual({
      before: 12_500,
      after: 25_000,
      enter: 12_500 * buckets,
      leave: 0,
      switch: 0,
      redrawn: false,
      moves: [{ from: 'off', to: 'on', share: 12_500 * buckets }],
    })
  })

  test('a ramp down lets people leave, to what otherwise is now', () => {
    const s = compare(line(25_000, on), line(1, on, ''))
    expect([s.enter, s.leave, s.switch]).toEqual([0, 24_999 * buckets, 0])
    expect(s.moves).toEqual([
      { from: 'off', to: '', share: 75_000 * buckets },
      { from: 'on', to: '', share: 24_999 * buckets },
    ])
  })

  test('other weights switch only those who are exposed', () => {
    const s = compare(line(50_000, ranges(['a', 55_000], ['b', 45_000])), line(50_000, ranges(['a', 50_000], ['b', 50_000])))
    expect([s.enter, s.leave, s.switch]).toEqual([0, 0, 50_000 * 5000])
    expect(s.moves).toEqual([{ from: 'a', to: 'b', share: 50_000 * 5000 }])
  })

  test('other bucketing attributes cannot be counted', () => {
    const s = compare(line(50_000, on), { ...line(60_000, on), bucketBy: ['company.id'] })
    expect(s).toMatchObject({ redrawn: true, enter: 0, leave: 0, switch: 0, moves: [] })
    expect(compare(lineOf({ variant: 'on' }, ''), { ...line(60_000, on), bucketBy: ['company.id'] }).redrawn).toBe(false)
  })

  test('it counts what a dumb count of places finds', () => {
    // A tenth of the scale in both directions, so that every place can be asked.
    const random = numbers(7)
    const next = (n: number) => Math.floor(random.next().value * n)
    const grid = 100
    const step = buckets / grid
    for (let round = 0; round < 60; round++) {
      const some = (): Line => {
        const cuts = [0, grid, ...Array.from({ length: next(4) }, () => next(grid))].sort((a, b) => a - b)
        const parts = cuts.slice(1).map((c, i): [string, number] => [['a', 'b', 'c'][next(3)] ?? 'a', (c - (cuts[i] ?? 0)) * step])
        return line(next(grid + 1) * step, ranges(...parts.filter(([, w]) => w > 0)), ['', 'off', 'a'][next(3)])
      }
      const a = some()
      const b = some()
      let [enter, leave, swap] = [0, 0, 0]
      const moved = new Map<string, number>()
      const variantAt = (l: Line, bucket: number) => l.ranges.find((r) => r.from <= bucket && bucket < r.to)?.variant ?? '?'
      for (let e = 0; e < grid; e++) {
        for (let g = 0; g < grid; g++) {
          const was = e * step < a.exposure
          const is = e * step < b.exposure
          const from = was ? variantAt(a, g * step) : a.otherwise
          const to = is ? variantAt(b, g * step) : b.otherwise
          if (!was && is) enter++
          if (was && !is) leave++
          if (was && is && from !== to) swap++
          if (from !== to) moved.set(`${from}→${to}`, (moved.get(`${from}→${to}`) ?? 0) + 1)
        }
      }
      const s = compare(a, b)
      expect([s.enter, s.leave, s.switch]).toEqual([enter, leave, swap].map((n) => n * step * step))
      expect(new Map(s.moves.map((m) => [`${m.from}→${m.to}`, m.share / step / step]))).toEqual(moved)
    }
  })

  test('shares of everyone come to everyone', () => {
    const s = shares(line(12_345, ranges(['a', 33_333], ['b', 66_667])))
    expect(s).toEqual(
      new Map([
        ['a', 12_345 * 33_333],
        ['b', 12_345 * 66_667],
        ['off', 87_655 * buckets],
      ]),
    )
    expect([...s.values()].reduce((x, y) => x + y)).toBe(pairs)
  })
})

describe('pieces to draw', () => {
  test.each([
    [0, 0, ['out 0-100000']],
    [100_000, 100_000, ['in 0-100000']],
    [12_500, 25_000, ['in 0-12500', 'enter 12500-25000', 'out 25000-100000']],
    [25_000, 12_500, ['in 0-12500', 'leave 12500-25000', 'out 25000-100000']],
    [0, 1, ['enter 0-1', 'out 1-100000']],
  ])('exposure %d → %d', (a, b, want) => expect(exposurePieces(a, b).map((p) => `${p.state} ${p.from}-${p.to}`)).toEqual(want))

  test('assignment marks who switches and joins what is alike', () => {
    const before: Range[] = [
      { variant: 'a', from: 0, to: 40_000, seq: 1 },
      { variant: 'a', from: 40_000, to: 60_000, seq: 2 },
      { variant: 'b', from: 60_000, to: 100_000 },
    ]
    expect(assignmentPieces(before, ranges(['a', 50_000], ['b', 50_000]))).toEqual([
      { from: 0, to: 50_000, variant: 'a' },
      { from: 50_000, to: 60_000, variant: 'b', was: 'a' },
      { from: 60_000, to: 100_000, variant: 'b' },
    ])
  })

  test('a new line has switched nobody', () => expect(assignmentPieces([], on)).toEqual([{ from: 0, to: buckets, variant: 'on' }]))

  test('cut ends with the shorter of the two', () => expect(cut(ranges(['a', 10]), on)).toEqual([{ from: 0, to: 10, before: 'a', after: 'on' }]))
})

describe('placing pieces on pixels', () => {
  test('a piece of one bucket is seen, wherever it is', () => {
    for (const from of [0, 1, 49_999, 99_998, 99_999]) {
      const parts = (
        [
          ['a', from],
          ['b', 1],
          ['c', buckets - from - 1],
        ] as [string, number][]
      ).filter(([, n]) => n > 0)
      const placed = place(ranges(...parts), 320, 2)
      const b = placed.find((p) => p.piece.variant === 'b')
      expect(b?.width).toBeGreaterThanOrEqual(2)
      expect(Math.abs((b?.x ?? 0) - (from / buckets) * 320)).toBeLessThanOrEqual(4)
    }
  })

  test('they fill the width without gap or overlap, each at least as wide as asked', () => {
    const random = numbers(3)
    for (let round = 0; round < 300; round++) {
      const n = 1 + Math.floor(random.next().value * 40)
      const cuts = [...new Set([0, buckets, ...Array.from({ length: n }, () => Math.floor(random.next().value ** 4 * buckets))])].sort(
        (a, b) => a - b,
      )
      const pieces = ranges(...cuts.slice(1).map((c, i): [string, number] => [`v${i}`, c - (cuts[i] ?? 0)]))
      const width = 120 + Math.floor(random.next().value * 1000)
      const placed = place(pieces, width, 2)
      let x = 0
      for (const p of placed) {
        expect(p.x).toBe(x)
        expect(p.width).toBeGreaterThanOrEqual(2)
        expect(Number.isInteger(p.x)).toBe(true)
        x += p.width
      }
      expect(x).toBe(width)
    }
  })

  test('more pieces than pixels share the width and none is lost', () => {
    const pieces = ranges(...Array.from({ length: 1000 }, (_, i): [string, number] => [`v${i}`, 100]))
    const placed = place(pieces, 320, 1)
    expect(placed).toHaveLength(1000)
    expect(placed.every((p) => p.width > 0.3)).toBe(true)
  })

  test('nothing on nothing', () => {
    expect(place([], 100)).toEqual([])
    expect(place(on, 0)).toEqual([])
  })

  test('the bucket under a pixel, in steps', () => {
    expect(bucketAt(50, 200, 1000)).toBe(25_000)
    expect(bucketAt(51, 200, 1000)).toBe(26_000)
    expect(bucketAt(51, 200, 1)).toBe(25_500)
    expect(bucketAt(-5, 200, 1)).toBe(0)
    expect(bucketAt(500, 200, 1)).toBe(buckets)
    expect(bucketAt(5, 0, 1)).toBe(0)
  })
})

describe('moving variants as the server does', () => {
  const abc = (...w: number[]): Weight[] => w.map((n, i) => ({ variant: 'abcd'[i] ?? '?', weight: n * 1000 }))
  const spell = (r: Range[] | undefined) => r?.map((p) => `${p.variant}:${(p.to - p.from) / 1000}`).join(' ')

  // The cases of evaluator/reallocate_test.go.
  test.each([
    [
      'a new line is in the order of the weights',
      [
        [
          { variant: 'b', weight: 30_000 },
          { variant: 'a', weight: 70_000 },
        ],
      ],
      'b:30 a:70',
    ],
    ['a variant without weight has no piece', [abc(0, 100, 0)], 'b:100'],
    ['nothing changes', [abc(50, 30, 20), abc(50, 30, 20)], 'a:50 b:30 c:20'],
    ['a piece goes from the upper end', [abc(50, 30, 20), abc(40, 30, 30)], 'a:40 c:10 b:30 c:20'],
    ['from the end beside the one that grows', [abc(50, 30, 20), abc(50, 20, 30)], 'a:50 b:20 c:10 c:20'],
    ['from the lower end when only there one grows', [abc(50, 30, 20), abc(60, 20, 20)], 'a:50 a:10 b:20 c:20'],
    ['the inverse restores', [abc(50, 30, 20), abc(40, 30, 30), abc(50, 30, 20)], 'a:40 a:10 b:30 c:20'],
    ['the latest goes first', [abc(50, 50, 0), abc(40, 50, 10), abc(40, 40, 20), abc(50, 40, 10)], 'a:40 c:10 a:10 b:40'],
    ['a piece goes back to whom it came from', [abc(50, 50, 0), abc(40, 40, 20), abc(50, 50, 0)], 'a:40 a:10 b:40 b:10'],
    ['beyond that to whoever grows', [abc(50, 50, 0), abc(40, 50, 10), abc(40, 60, 0)], 'a:40 b:10 b:50'],
    ['all of a variant', [abc(50, 30, 20), abc(0, 50, 50)], 'c:30 b:20 b:30 c:20'],
    ['a variant that is not named has none', [abc(50, 30, 20), abc(100)], 'a:50 a:30 a:20'],
    ['a variant that is new', [abc(50, 30, 20), [...abc(50, 30), { variant: 'd', weight: 20_000 }]], 'a:50 b:30 d:20'],
  ] as [string, Weight[][], string][])('%s', (_, edits, want) => {
    let now: Range[] | undefined = []
    for (const w of edits) now = reallocate(now ?? [], w)
    expect(spell(now)).toBe(want)
  })

  test('it moves no more than half of all changes', () => {
    const random = numbers(11)
    let now: Range[] = reallocate([], abc(40, 30, 30)) ?? []
    for (let round = 0; round < 200; round++) {
      const cuts = [0, ...[0, 0, 0].map(() => Math.floor(random.next().value * buckets)).sort((a, b) => a - b), buckets]
      const weights = 'abcd'.split('').map((variant, i) => ({ variant, weight: (cuts[i + 1] ?? 0) - (cuts[i] ?? 0) }))
      const next = reallocate(now, weights) ?? []
      const had = (r: Range[], v: string) => r.filter((p) => p.variant === v).reduce((n, p) => n + p.to - p.from, 0)
      for (const w of weights) expect(had(next, w.variant)).toBe(w.weight)
      const least = weights.reduce((n, w) => n + Math.max(0, had(now, w.variant) - w.weight), 0)
      const moved = cut(now, next).reduce((n, s) => n + (s.before === s.after ? 0 : s.to - s.from), 0)
      expect(moved).toBe(least)
      now = next
    }
  })

  test('what is no split is left to the server', () => {
    expect(reallocate([], abc(50, 49))).toBeUndefined()
    expect(
      reallocate(
        [],
        [
          { variant: 'a', weight: 110_000 },
          { variant: 'b', weight: -10_000 },
        ],
      ),
    ).toBeUndefined()
  })
})

describe('laying out an edited targeting', () => {
  const flag: Flag = { key: 'f', type: 'string', variants: ['a', 'b', 'off'].map((key) => ({ key, value: key })) }
  const before: Targeting = {
    enabled: true,
    off: 'off',
    rules: [{ id: 'r1', serve: { variant: 'a' } }],
    default: { distribution: { exposure: 50, weights: { a: 60, b: 40 }, otherwise: 'off', ranges: ranges(['a', 60_000], ['b', 40_000]) } },
    lines: { r1: ranges(['b', buckets]) },
  }

  test('weights as they are keep the line', () => {
    const after = laidOut(flag, before, { ...before, default: { distribution: { exposure: 60, weights: { b: 40, a: 60 } } } })
    expect(after.default.distribution?.ranges).toBe(before.default.distribution?.ranges)
  })
  test('a rule that is as it was stays the same object', () => {
    const was: Targeting = { ...before, rules: [{ id: 'r2', serve: before.default }] }
    const after = laidOut(flag, was, { ...was, default: { variant: 'a' } })
    expect(after.rules?.[0]).toBe(was.rules?.[0])
  })
  test('other weights move it', () => {
    const after = laidOut(flag, before, { ...before, default: { distribution: { exposure: 50, weights: { a: 50, b: 50 } } } })
    expect(cut(before.default.distribution?.ranges ?? [], after.default.distribution?.ranges ?? []).map((s) => s.before + s.after)).toEqual([
      'aa',
      'ab',
      'bb',
    ])
  })
  test('weights that are no split yet keep it', () => {
    const after = laidOut(flag, before, { ...before, default: { distribution: { exposure: 50, weights: { a: 50, b: 40 } } } })
    expect(after.default.distribution?.ranges).toBe(before.default.distribution?.ranges)
  })
  test('a rule that splits again finds its old line', () => {
    const after = laidOut(flag, before, { ...before, rules: [{ id: 'r1', serve: { distribution: { exposure: 100, weights: { a: 10, b: 90 } } } }] })
    expect(after.rules?.[0]?.serve.distribution?.ranges?.map((r) => [r.variant, r.to - r.from, r.prev])).toEqual([
      ['b', 90_000, ''],
      ['a', 10_000, 'b'],
    ])
  })
  test('a rule without otherwise goes on, the default falls to off', () => {
    expect(lineAt(before, 'r1')).toEqual({ exposure: buckets, otherwise: '', ranges: [{ variant: 'a', from: 0, to: buckets }] })
    expect(lineAt({ ...before, default: { distribution: { exposure: 5, ranges: on } } }, 'default')?.otherwise).toBe('off')
    expect(lineAt(before, 'nobody')).toBeUndefined()
  })
})

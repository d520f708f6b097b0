// Percentages are exact: one bucket of the hash line is 0.001 %, and everything is reckoned in whole buckets. Only the last step, to
// the number that JSON carries, divides, and that gives the double nearest to the decimal, which is written shortest as that decimal.

/** Buckets of one hash line. */
export const buckets = 100_000

/** Equally likely places of a context: a bucket on the exposure line and one on the assignment line. Counts of people are of this many. */
export const pairs = buckets * buckets

export type Parsed<T> = { ok: true; value: T } | { ok: false; error: string }

/** Percent as JSON has it (12.5) in buckets (12500). */
export function toBuckets(percent: number): number {
  return Math.round(percent * 1000)
}

/** Buckets as the number of percent that JSON wants: the double whose shortest decimal is it. */
export function toPercent(n: number): number {
  return n / 1000
}

/** Buckets as the shortest decimal of percent, without the sign for it: 12500 → "12.5", 1 → "0.001". */
export function formatBuckets(n: number): string {
  return decimal(n, 3)
}

/** A share of all pairs as percent, exact: it has at most eight decimals. */
export function formatShare(n: number): string {
  return decimal(n, 8)
}

/** Percent as JSON has it, as text. */
export function formatPercent(percent: number): string {
  return formatBuckets(toBuckets(percent))
}

function decimal(n: number, digits: number): string {
  const sign = n < 0 ? '−' : ''
  const text = Math.abs(n)
    .toString()
    .padStart(digits + 1, '0')
  const whole = text.slice(0, -digits)
  const rest = text.slice(-digits).replace(/0+$/, '')
  return sign + whole + (rest ? `.${rest}` : '')
}

/** Reads what a person types into a field of percent: "12.5", "12,5", "12.5 %", "1/3" is refused. Buckets, or what is wrong with it. */
export function parsePercent(text: string): Parsed<number> {
  const t = text
    .replace(/[\s\u00a0\u202f]/g, '')
    .replace(/%$/, '')
    .replace(',', '.')
  if (t === '') return { ok: false, error: 'a number of percent is needed, such as 12.5' }
  const m = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(t)
  if (!m || (m[2] === '' && !m[3])) return { ok: false, error: `“${text.trim()}” is not a number of percent; write it like 12.5` }
  const whole = (m[2] ?? '').replace(/^0+/, '')
  const fraction = (m[3] ?? '').replace(/0+$/, '')
  const zero = whole === '' && fraction === ''
  if (m[1] === '-' && !zero) return { ok: false, error: 'less than 0 % is not possible' }
  if (whole.length > 3 || Number(whole) > 100 || (Number(whole) === 100 && fraction !== ''))
    return { ok: false, error: 'more than 100 % is not possible' }
  if (fraction.length > 3) return { ok: false, error: 'the finest step is 0.001 %, one bucket of the hash line' }
  return { ok: true, value: Number(whole) * 1000 + Number(fraction.padEnd(3, '0')) }
}

export function clamp(n: number): number {
  return Math.min(buckets, Math.max(0, n))
}

/** Splits all buckets evenly among n; the first ones take what does not divide. */
export function evenly(n: number): number[] {
  return Array.from({ length: n }, (_, i) => Math.floor(buckets / n) + (i < buckets % n ? 1 : 0))
}

/** How a slider moves for a key: arrows 1 %, with Shift 10 %, with Alt 0.001 %, with Ctrl 0.1 %; pages 10 %; Home and End. Undefined for other keys. */
export function stepped(n: number, key: string, mods: { shift: boolean; alt: boolean; ctrl: boolean }): number | undefined {
  const step = mods.alt ? 1 : mods.shift ? 10_000 : mods.ctrl ? 100 : 1000
  switch (key) {
    case 'ArrowRight':
    case 'ArrowUp':
      return clamp(n + step)
    case 'ArrowLeft':
    case 'ArrowDown':
      return clamp(n - step)
    case 'PageUp':
      return clamp(n + 10_000)
    case 'PageDown':
      return clamp(n - 10_000)
    case 'Home':
      return 0
    case 'End':
      return buckets
  }
  return undefined
}

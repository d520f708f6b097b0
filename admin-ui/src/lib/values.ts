// What people type, as values: operands of clauses and variants' values, with words that help when it is none. The server checks
// everything again; what is accepted here and refused there is told beside the field as well.

import type { Clause, FlagType, Json, Operator } from './model'
import type { Parsed } from './percent'

export type OperandType = 'text' | 'number' | 'boolean' | 'instant' | 'version' | 'network' | 'pattern'

/** What an operator's values are. `in` takes three types, so the person chooses. */
export function operandTypes(op: Operator): OperandType[] {
  switch (op) {
    case 'in':
      return ['text', 'number', 'boolean']
    case 'contains':
    case 'startsWith':
    case 'endsWith':
      return ['text']
    case 'matches':
      return ['pattern']
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
    case 'modulo':
      return ['number']
    case 'before':
    case 'after':
      return ['instant']
    case 'inCidr':
      return ['network']
    case 'exists':
      return []
    default:
      return ['version']
  }
}

export function takesCase(op: Operator): boolean {
  return op === 'in' || op === 'contains' || op === 'startsWith' || op === 'endsWith' || op === 'matches'
}

/** The type that values have which are there already, for `in`. */
export function typeOfValues(op: Operator, values: readonly Json[] | undefined): OperandType {
  const types = operandTypes(op)
  if (op === 'in' && values?.length) {
    if (values.every((v) => typeof v === 'number')) return 'number'
    if (values.every((v) => typeof v === 'boolean')) return 'boolean'
  }
  return types[0] ?? 'text'
}

const refuse = (error: string): { ok: false; error: string } => ({ ok: false, error })

export function parseOperand(type: OperandType, input: string): Parsed<Json> {
  const t = input.trim()
  switch (type) {
    case 'text':
      return { ok: true, value: input }
    case 'pattern':
      if (input === '') return refuse('an empty pattern matches everything; leave the clause out instead')
      return new TextEncoder().encode(input).length > 256 ? refuse('a pattern has at most 256 bytes') : { ok: true, value: input }
    case 'number':
      return parseNumber(t)
    case 'boolean':
      if (t === 'true' || t === 'false') return { ok: true, value: t === 'true' }
      return refuse('true or false')
    case 'instant':
      return isInstant(t) ? { ok: true, value: /^-?\d+$/.test(t) ? Number(t) : t } : refuse('a moment such as 2026-11-20T14:02:00Z, or Unix milliseconds')
    case 'version':
      return isVersion(t) ? { ok: true, value: t } : refuse('a version such as 1.4.0 or 2.0.0-beta.1')
    case 'network':
      return isNetwork(t) ? { ok: true, value: t } : refuse('a network such as 10.0.0.0/8 or 2001:db8::/32, or one address')
  }
}

function parseNumber(t: string): Parsed<number> {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(t)) return refuse(t === '' ? 'a number is needed' : `“${t}” is not a number`)
  const n = Number(t)
  if (!Number.isFinite(n)) return refuse('too large a number')
  if (/^[+-]?\d+$/.test(t) && !Number.isSafeInteger(n)) return refuse('an integer beyond 2^53−1, which not every language reads exactly')
  return { ok: true, value: n }
}

/** Splits what was pasted into several values: at line ends and commas, without empty ones and doubles. */
export function splitValues(input: string): string[] {
  return [...new Set(input.split(/[\n\r,]+/).map((s) => s.trim()).filter((s) => s !== ''))]
}

/** As docs/ruleset.md has it: RFC 3339 with capital T and Z, a day that exists, or Unix milliseconds. */
export function isInstant(t: string): boolean {
  if (/^-?\d+$/.test(t)) return Math.abs(Number(t)) <= 8.64e15
  const m = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/.exec(t)
  if (!m) return false
  const [year, month, day] = [Number(m[1]), Number(m[2]), Number(m[3])]
  const d = new Date(0)
  d.setUTCFullYear(year, month - 1, day)
  return d.getUTCFullYear() === year && d.getUTCMonth() === month - 1 && d.getUTCDate() === day
}

const numeric = '(?:0|[1-9]\\d{0,15})'
const version = new RegExp(
  `^v?${numeric}(?:\\.${numeric}(?:\\.${numeric})?)?(?:-(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\\.(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
)

export function isVersion(t: string): boolean {
  return version.test(t) && (t.match(/^v?([\d.]+)/)?.[1] ?? '').split('.').every((n) => Number(n) <= Number.MAX_SAFE_INTEGER)
}

export function isNetwork(t: string): boolean {
  const [address = '', bits, more] = t.split('/')
  if (more !== undefined || (bits !== undefined && !/^(0|[1-9]\d{0,2})$/.test(bits))) return false
  const n = bits === undefined ? undefined : Number(bits)
  if (isIPv4(address)) return n === undefined || n <= 32
  if (!isIPv6(address)) return false
  const mapped = /^(0*:){0,5}:?ffff:/i.test(address) && address.includes('.')
  return n === undefined || (n <= 128 && (!mapped || n >= 96))
}

function isIPv4(t: string): boolean {
  const parts = t.split('.')
  return parts.length === 4 && parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) <= 255)
}

function isIPv6(t: string): boolean {
  const halves = t.split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const [i, half] of halves.entries()) {
    const parts = half === '' ? [] : half.split(':')
    for (const [j, p] of parts.entries()) {
      const last = i === halves.length - 1 && j === parts.length - 1
      if (last && p.includes('.')) {
        if (!isIPv4(p)) return false
        groups += 2
      } else if (/^[0-9a-f]{1,4}$/i.test(p)) groups++
      else return false
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8
}

/** What is still missing or wrong in a clause, by JSON pointer below it; empty when it can be sent. */
export function clauseProblems(c: Clause): Record<string, string> {
  const out: Record<string, string> = {}
  if (c.attribute.trim() === '') out['/attribute'] = 'name an attribute of the context, such as plan or company.id'
  else if (/^\.|\.$|\.\./.test(c.attribute.replace(/\\[.\\]/g, 'x'))) out['/attribute'] = 'a name is missing beside a dot'
  const values = c.values ?? []
  if (c.op === 'exists') return out
  if (c.op === 'modulo') {
    const [divisor, remainder] = values
    if (typeof divisor !== 'number' || !Number.isSafeInteger(divisor) || divisor < 1) out['/values'] = 'the divisor is an integer of at least 1'
    else if (typeof remainder !== 'number' || !Number.isSafeInteger(remainder) || remainder < 0 || remainder >= divisor) {
      out['/values'] = `the remainder is an integer from 0 to ${divisor - 1}`
    }
    return out
  }
  if (values.length === 0) out['/values'] = 'at least one value is needed'
  const types = operandTypes(c.op)
  for (const [i, v] of values.entries()) {
    const fits = types.some((type) => {
      if (typeof v === 'string') return type !== 'number' && type !== 'boolean' && parseOperand(type, v).ok
      if (typeof v === 'number') return type === 'number' || (type === 'instant' && isInstant(String(v)))
      return typeof v === 'boolean' && type === 'boolean'
    })
    if (!fits) {
      const parsed = parseOperand(types[0] ?? 'text', typeof v === 'string' ? v : JSON.stringify(v))
      out[`/values/${i}`] = parsed.ok ? 'is not of a type that the operator takes' : parsed.error
    }
  }
  return out
}

/** A variant's value from the text of its field. JSON flags take any JSON but null; the others their own type. */
export function parseVariantValue(type: FlagType, input: string): Parsed<Json> {
  switch (type) {
    case 'string':
      return { ok: true, value: input }
    case 'number':
      return parseNumber(input.trim())
    case 'boolean':
      return parseOperand('boolean', input)
    case 'json':
      return parseJson(input)
  }
}

export function parseJson(input: string): Parsed<Json> {
  if (input.trim() === '') return refuse('a JSON value is needed')
  try {
    const value = JSON.parse(input) as Json
    return value === null ? refuse('null cannot be served') : { ok: true, value }
  } catch (err) {
    return refuse(jsonError(input, err))
  }
}

/** Where and why a text is no JSON, in words that do not depend on the browser. */
function jsonError(input: string, err: unknown): string {
  const at = /position (\d+)/.exec(err instanceof Error ? err.message : '')
  if (!at) return 'this is not complete JSON'
  const before = input.slice(0, Number(at[1]))
  const line = before.split('\n').length
  const column = before.length - before.lastIndexOf('\n')
  return `this is not JSON: line ${line}, column ${column}`
}

/** The text of a variant's field for a value. */
export function variantText(type: FlagType, value: Json): string {
  if (type === 'string' && typeof value === 'string') return value
  return JSON.stringify(value, null, type === 'json' ? 2 : undefined)
}

const ruleAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** A new rule's id, of the form that the server gives. Bytes are random ones, eight of them. */
export function ruleId(bytes: Uint8Array): string {
  return `r-${Array.from(bytes.slice(0, 8), (b) => ruleAlphabet[b % ruleAlphabet.length]).join('')}`
}

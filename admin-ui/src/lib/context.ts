// Evaluation contexts as a form: which attributes a targeting asks for, and how to read and write them in a context's JSON.

import type { Condition, Json, Operator, Targeting } from './model'
import { eachServe, isClause } from './model'
import { operandTypes } from './values'

export type Context = { [name: string]: Json }

/** An attribute that a targeting looks at, and what may stand in it. */
export interface Asked {
  path: string
  type: 'text' | 'number' | 'boolean'
  /** Values that the rules compare with, to choose from. */
  examples: string[]
}

/** The attributes that rules and bucketing ask for; targetingKey is always the first. Segments and other flags may ask for more. */
export function asked(t: Targeting, segments: ReadonlyMap<string, Condition | undefined> = new Map()): Asked[] {
  const found = new Map<string, Asked>([['targetingKey', { path: 'targetingKey', type: 'text', examples: [] }]])
  const seen = new Set<string>()
  const add = (path: string, op?: Operator, values?: Json[]) => {
    if (path === '') return
    const known = found.get(path) ?? { path, type: typeFor(op, values), examples: [] }
    for (const v of values ?? []) {
      const text = typeof v === 'string' ? v : JSON.stringify(v)
      if (op === 'in' && known.examples.length < 8 && !known.examples.includes(text)) known.examples.push(text)
    }
    found.set(path, known)
  }
  const visit = (c: Condition | undefined): void => {
    if (!c) return
    if (isClause(c)) add(c.attribute, c.op, c.values)
    else if ('all' in c) c.all.forEach(visit)
    else if ('any' in c) c.any.forEach(visit)
    else if ('not' in c) visit(c.not)
    else if ('segment' in c && !seen.has(c.segment)) {
      seen.add(c.segment)
      visit(segments.get(c.segment))
    }
  }
  eachServe(t, (_, serve, rule) => {
    visit(rule?.when)
    for (const path of serve.distribution?.bucketBy ?? []) add(path)
  })
  return [...found.values()]
}

function typeFor(op: Operator | undefined, values: Json[] | undefined): Asked['type'] {
  if (!op) return 'text'
  if (op === 'in' && values?.length) {
    if (values.every((v) => typeof v === 'number')) return 'number'
    if (values.every((v) => typeof v === 'boolean')) return 'boolean'
    return 'text'
  }
  return operandTypes(op)[0] === 'number' ? 'number' : 'text'
}

/** The names of a path: joined by dots, a literal dot or backslash escaped. Undefined when it is none. */
export function parsePath(path: string): string[] | undefined {
  const names: string[] = []
  let name = ''
  for (let i = 0; i < path.length; i++) {
    const c = path[i] ?? ''
    if (c === '\\') {
      const next = path[++i]
      if (next !== '.' && next !== '\\') return undefined
      name += next
    } else if (c === '.') {
      names.push(name)
      name = ''
    } else {
      name += c
    }
  }
  names.push(name)
  return names.includes('') ? undefined : names
}

const isContext = (v: Json | undefined): v is Context => typeof v === 'object' && v !== null && !Array.isArray(v)

export function get(c: Context, path: string): Json | undefined {
  let at: Json | undefined = c
  for (const name of parsePath(path) ?? []) {
    if (!isContext(at) || !Object.hasOwn(at, name)) return undefined
    at = at[name]
  }
  return at
}

/** The context with a value at a path; undefined takes it away, and with it the objects that it leaves empty. */
export function set(c: Context, path: string, value: Json | undefined): Context {
  const names = parsePath(path)
  return names ? put(c, names, value) : c
}

function put(c: Context, names: string[], value: Json | undefined): Context {
  const [name = '', ...rest] = names
  const kept = Object.entries(c).filter(([k]) => k !== name)
  if (rest.length === 0) return value === undefined ? Object.fromEntries(kept) : Object.fromEntries([...replaced(c, name, value)])
  const inner = Object.hasOwn(c, name) ? c[name] : undefined
  const next = put(isContext(inner) ? inner : {}, rest, value)
  if (value === undefined && Object.keys(next).length === 0) return Object.fromEntries(kept)
  return Object.fromEntries(replaced(c, name, next))
}

/** Members in their order, with one replaced or added at the end. */
function replaced(c: Context, name: string, value: Json): [string, Json][] {
  const entries = Object.entries(c)
  return Object.hasOwn(c, name) ? entries.map(([k, v]) => [k, k === name ? value : v]) : [...entries, [name, value]]
}

/** What is wrong with a text as a context, or the context. */
export function parseContext(text: string): { ok: true; value: Context } | { ok: false; error: string } {
  if (text.trim() === '') return { ok: true, value: {} }
  let v: Json
  try {
    v = JSON.parse(text) as Json
  } catch {
    return { ok: false, error: 'this is not JSON yet' }
  }
  if (!isContext(v)) return { ok: false, error: 'a context is an object, such as {"targetingKey": "ada"}' }
  const key = v['targetingKey']
  if (key !== undefined && key !== null && typeof key !== 'string' && !Number.isSafeInteger(key)) return { ok: false, error: 'targetingKey is a string' }
  return { ok: true, value: v }
}

/** A form's field as a value: empty is absent; where the rules want a number or a truth value it becomes one if it can, else it stays text. */
export function fieldValue(type: Asked['type'], text: string): Json | undefined {
  if (text === '') return undefined
  if (type === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

export function fieldText(v: Json | undefined): string {
  if (v === undefined) return ''
  return typeof v === 'string' ? v : JSON.stringify(v)
}

/** The same question for a terminal. Values that a shell would take apart are quoted; what would be read as JSON and is text is written as JSON. */
export function evaluateCommand(flag: string, environment: string, { targetingKey, ...attributes }: Context): string {
  const attribute = ([name, v]: [string, Json]) => `--attr ${shell(`${name}=${typeof v === 'string' && !readsAsJson(v) ? v : JSON.stringify(v)}`)}`
  return [
    `dimmer evaluate ${flag} -e ${environment}`,
    ...(targetingKey === undefined || targetingKey === null ? [] : [`--key ${shell(fieldText(targetingKey))}`]),
    ...Object.entries(attributes).map(attribute),
    '--trace',
  ].join(' ')
}

function readsAsJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function shell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

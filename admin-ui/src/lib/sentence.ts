// Rules as English sentences. A sentence is a list of parts, so that a screen can set names and values apart; text() joins them.

import type { Clause, Condition, Distribution, Json, Operator, Prerequisite, Rule, Serve } from './model'
import { formOf, isClause } from './model'
import { formatPercent, toBuckets } from './percent'

export type PartKind = 'text' | 'attribute' | 'value' | 'segment' | 'flag' | 'variant' | 'percent'
export interface Part {
  kind: PartKind
  text: string
}

export interface SentenceOptions {
  /** At most so many values are written out, then "and 17 more". */
  most?: number
}

const word = (text: string): Part => ({ kind: 'text', text })

export function text(parts: readonly Part[]): string {
  return parts.map((p) => p.text).join('')
}

/** A value as it is read in a sentence: strings bare when they cannot be misread, else as JSON. */
export function valueText(v: Json | undefined): string {
  if (typeof v !== 'string') return JSON.stringify(v) ?? ''
  return bare(v) ? v : JSON.stringify(v)
}

function bare(s: string): boolean {
  return /^[^\s"'“”,;(){}[\]]+$/u.test(s) && !/^(true|false|null|[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)$/i.test(s)
}

function list(items: Part[], conjunction: string, most: number): Part[] {
  const shown = items.length > most + 1 ? items.slice(0, most) : items
  const more = items.length - shown.length
  return shown.flatMap((item, i): Part[] => {
    if (i === 0) return more && shown.length === 1 ? [item, word(` ${conjunction} ${more} more`)] : [item]
    const last = i === shown.length - 1
    if (more) return last ? [word(', '), item, word(` ${conjunction} ${more} more`)] : [word(', '), item]
    return [word(last ? ` ${conjunction} ` : ', '), item]
  })
}

/** [one value, several values, one negated, several negated] */
const phrases: Record<Exclude<Operator, 'exists' | 'modulo'>, [string, string, string, string]> = {
  in: ['is', 'is one of', 'is not', 'is none of'],
  contains: ['contains', 'contains', 'does not contain', 'contains neither'],
  startsWith: ['starts with', 'starts with', 'does not start with', 'starts neither with'],
  endsWith: ['ends with', 'ends with', 'does not end with', 'ends neither with'],
  matches: ['matches', 'matches', 'does not match', 'matches neither'],
  lt: ['is less than', 'is less than', 'is not less than', 'is not less than'],
  lte: ['is at most', 'is at most', 'is not at most', 'is not at most'],
  gt: ['is more than', 'is more than', 'is not more than', 'is not more than'],
  gte: ['is at least', 'is at least', 'is not at least', 'is not at least'],
  before: ['is before', 'is before', 'is not before', 'is not before'],
  after: ['is after', 'is after', 'is not after', 'is not after'],
  semverEq: ['is version', 'is version', 'is not version', 'is not version'],
  semverLt: ['is a version before', 'is a version before', 'is not a version before', 'is not a version before'],
  semverLte: ['is at most version', 'is at most version', 'is not at most version', 'is not at most version'],
  semverGt: ['is a version after', 'is a version after', 'is not a version after', 'is not a version after'],
  semverGte: ['is at least version', 'is at least version', 'is not at least version', 'is not at least version'],
  semverTilde: ['is a version like', 'is a version like', 'is not a version like', 'is not a version like'],
  semverCaret: ['is a version compatible with', 'is a version compatible with', 'is not a version compatible with', 'is not a version compatible with'],
  inCidr: ['is an address in', 'is an address in', 'is not an address in', 'is an address in neither'],
}

/** How an operator is called in a list to choose from. */
export function operatorName(op: Operator, negate = false): string {
  if (op === 'exists') return negate ? 'is not there' : 'is there'
  if (op === 'modulo') return negate ? 'modulo is not' : 'modulo is'
  if (op === 'in') return negate ? 'is none of' : 'is one of'
  return phrases[op][negate ? 2 : 0]
}

function operand(c: Clause, v: Json): Part {
  const prefix = c.op === 'semverTilde' ? '~' : c.op === 'semverCaret' ? '^' : ''
  if (c.op === 'matches' && typeof v === 'string') return { kind: 'value', text: `/${v}/` }
  if ((c.op === 'before' || c.op === 'after') && typeof v === 'number') return { kind: 'value', text: instantText(v) }
  if (typeof v === 'string' && (c.op.startsWith('semver') || c.op === 'inCidr' || c.op === 'before' || c.op === 'after')) return { kind: 'value', text: prefix + v }
  return { kind: 'value', text: prefix + valueText(v) }
}

function instantText(ms: number): string {
  const d = new Date(ms)
  return Number.isNaN(d.getTime()) ? String(ms) : d.toISOString().replace('.000Z', 'Z')
}

function clauseParts(c: Clause, most: number): Part[] {
  const attribute: Part = { kind: 'attribute', text: c.attribute || '…' }
  const values = c.values ?? []
  if (c.op === 'exists') return [attribute, word(c.negate ? ' is not there' : ' is there')]
  if (c.op === 'modulo') {
    const [divisor, remainder] = values
    return [
      attribute,
      word(' modulo '),
      { kind: 'value', text: valueText(divisor ?? '…') },
      word(c.negate ? ' is not ' : ' is '),
      { kind: 'value', text: valueText(remainder ?? '…') },
    ]
  }
  const phrase = phrases[c.op]?.[(c.negate ? 2 : 0) + (values.length > 1 ? 1 : 0)] ?? c.op
  const shown = values.length ? list(values.map((v) => operand(c, v)), c.negate && phrase.includes('neither') ? 'nor' : 'or', most) : [word('…')]
  return [attribute, word(` ${phrase} `), ...shown, ...(c.ignoreCase ? [word(' in any case')] : [])]
}

function parens(parts: Part[]): Part[] {
  return [word('('), ...parts, word(')')]
}

/** A condition, without "if". */
export function conditionParts(c: Condition, o: SentenceOptions = {}): Part[] {
  const most = o.most ?? 6
  if (isClause(c)) return clauseParts(c, most)
  if ('segment' in c) return [word('in segment '), { kind: 'segment', text: c.segment || '…' }]
  if ('flag' in c) return [word('flag '), { kind: 'flag', text: c.flag || '…' }, word(' serves '), ...variants(c.variants, most)]
  if ('not' in c) return notParts(c.not, o)
  const kids = 'all' in c ? c.all : c.any
  if (kids.length === 0) return [word('all' in c ? 'always' : 'never')]
  const joint = 'all' in c ? ' and ' : ' or '
  return kids.flatMap((kid, i) => {
    const form = formOf(kid)
    const inner = conditionParts(kid, o)
    const nested = (form === 'all' || form === 'any') && kids.length > 1 && ('all' in kid ? kid.all : 'any' in kid ? kid.any : []).length > 1
    return [...(i ? [word(joint)] : []), ...(nested ? parens(inner) : inner)]
  })
}

function notParts(c: Condition, o: SentenceOptions): Part[] {
  if ('segment' in c) return [word('not '), ...conditionParts(c, o)]
  if ('flag' in c) return [word('flag '), { kind: 'flag', text: c.flag || '…' }, word(' does not serve '), ...variants(c.variants, o.most ?? 6)]
  // Not the negated clause: that one is false as well when the attribute is missing.
  return [word('not '), ...parens(conditionParts(c, o))]
}

function variants(keys: readonly string[], most = 6): Part[] {
  return keys.length ? list(keys.map((k): Part => ({ kind: 'variant', text: k })), 'or', most) : [word('…')]
}

export function prerequisiteParts(p: Prerequisite, off: string): Part[] {
  return [word('flag '), { kind: 'flag', text: p.flag || '…' }, word(' has to serve '), ...variants(p.variants), word(', otherwise everyone gets '), { kind: 'variant', text: off }]
}

const percentPart = (percent: number): Part => ({ kind: 'percent', text: `${formatPercent(percent)} %` })
const variantPart = (key: string): Part => ({ kind: 'variant', text: key })

/** What is served: "on", "25 % on, otherwise off", "12.5 % (60 % a, 40 % b), the rest goes on". */
export function serveParts(s: Serve, fallback = ''): Part[] {
  const d = s.distribution
  if (!d) return [variantPart(s.variant || '…')]
  const split = splitParts(d)
  const full = toBuckets(d.exposure) === 100_000
  const several = Object.values(d.weights ?? {}).filter((w) => w > 0).length > 1
  const shown = several ? (full ? split : [percentPart(d.exposure), word(' ('), ...split, word(')')]) : [percentPart(d.exposure), word(' '), ...split]
  const by = d.bucketBy?.length && d.bucketBy.join() !== 'targetingKey' ? [word(' by '), ...list(d.bucketBy.map((a): Part => ({ kind: 'attribute', text: a })), 'else', 8)] : []
  if (full) return [...shown, ...by]
  const otherwise = d.otherwise || fallback
  return [...shown, ...by, ...(otherwise ? [word(', otherwise '), variantPart(otherwise)] : [word(', the rest goes on')])]
}

/** How many variants of a split a sentence names; there may be a hundred. */
export const fewVariants = 6

function splitParts(d: Distribution): Part[] {
  const weights = Object.entries(d.weights ?? {})
    .filter(([, w]) => w > 0)
    .sort(([, a], [, b]) => b - a)
  const [only] = weights
  if (!only) return [word('…')]
  if (weights.length === 1) return [variantPart(only[0])]
  const shown = weights.slice(0, weights.length > fewVariants + 1 ? fewVariants : undefined)
  const more = weights.length - shown.length
  return [...shown.flatMap(([key, w], i) => [...(i ? [word(', ')] : []), percentPart(w), word(' '), variantPart(key)]), ...(more ? [word(` and ${more} more`)] : [])]
}

/** A whole rule: "if plan is pro and in segment beta → on". */
export function ruleParts(r: Pick<Rule, 'when' | 'serve'>, o: SentenceOptions = {}): Part[] {
  return [...(r.when ? [word('if '), ...conditionParts(r.when, o)] : [word('everyone')]), word(' → '), ...serveParts(r.serve)]
}

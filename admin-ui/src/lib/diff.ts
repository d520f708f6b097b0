// What changed between two documents, in lines that a person can read: rules by their id, so that a rule that moved is not one that went
// and another that came; exposures as numbers; everything else of which nothing better is known as JSON paths.

import type { Flag, Json, Prerequisite, Rule, Serve, Targeting, Variant } from './model'
import { defaultRule, same } from './model'
import { formatPercent, toBuckets } from './percent'
import { conditionParts, serveParts, text, valueText } from './sentence'

export type DiffKind = 'added' | 'removed' | 'moved' | 'changed'

export interface DiffLine {
  kind: DiffKind
  /** What it is about: "rule 2", "everyone else", "variant a". */
  subject: string
  /** The change in words when from and to do not say it alone. */
  text?: string
  from?: string
  to?: string
  /** exposure: how many people are let in changes. */
  about?: 'exposure' | 'switch'
}

const changed = (subject: string, from: string | undefined, to: string | undefined, more: Partial<DiffLine> = {}): DiffLine => ({
  kind: from === undefined ? 'added' : to === undefined ? 'removed' : 'changed',
  subject,
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
  ...more,
})

/** One line as plain text. */
export function lineText(l: DiffLine): string {
  const what = l.from !== undefined && l.to !== undefined ? `${l.from} → ${l.to}` : (l.to ?? l.from ?? '')
  const verb = l.kind === 'added' ? 'added' : l.kind === 'removed' ? 'removed' : undefined
  return [`${l.subject}:`, l.text ?? verb, what].filter((s) => s !== undefined && s !== '').join(' ')
}

/** The name of a rule in a list: "rule 2 (EU staff)". */
export function ruleName(r: Rule, place: number): string {
  return r.name ? `rule ${place} “${r.name}”` : `rule ${place}`
}

export function diffTargeting(before: Targeting, after: Targeting): DiffLine[] {
  const out: DiffLine[] = []
  if (before.enabled !== after.enabled) {
    out.push(changed('targeting', before.enabled ? 'on' : `off (everyone gets ${before.off})`, after.enabled ? 'on' : `off (everyone gets ${after.off})`, { about: 'switch' }))
  }
  if (before.off !== after.off) out.push(changed('off variant', before.off, after.off))
  out.push(...diffPrerequisites(before.prerequisites ?? [], after.prerequisites ?? []))
  out.push(...diffRules(before, after))
  out.push(...diffServe('everyone else', before.default, after.default, before.off, after.off))
  return out
}

function diffPrerequisites(before: Prerequisite[], after: Prerequisite[]): DiffLine[] {
  const say = (p: Prerequisite) => `${p.flag} serves ${p.variants.join(' or ')}`
  const old = new Map(before.map((p) => [p.flag, p]))
  const out: DiffLine[] = []
  for (const p of after) {
    const was = old.get(p.flag)
    if (!was) out.push(changed('prerequisite', undefined, say(p)))
    else if (!same(was.variants, p.variants)) out.push(changed('prerequisite', say(was), say(p)))
    old.delete(p.flag)
  }
  for (const p of old.values()) out.push(changed('prerequisite', say(p), undefined))
  const kept = (list: Prerequisite[], other: Prerequisite[]) => list.map((p) => p.flag).filter((f) => other.some((o) => o.flag === f))
  if (!same(kept(before, after), kept(after, before))) out.push({ kind: 'moved', subject: 'prerequisites', text: 'in another order' })
  return out
}

function diffRules(before: Targeting, after: Targeting): DiffLine[] {
  const out: DiffLine[] = []
  const old = before.rules ?? []
  const now = after.rules ?? []
  const moved = movedRules(old.map((r) => r.id), now.map((r) => r.id))
  for (const [i, r] of old.entries()) {
    if (!now.some((n) => n.id === r.id)) out.push(changed(ruleName(r, i + 1), ruleText(r), undefined))
  }
  for (const [i, r] of now.entries()) {
    const place = old.findIndex((o) => o.id === r.id)
    const was = old[place]
    const name = ruleName(r, i + 1)
    if (!was) {
      out.push(changed(name, undefined, ruleText(r)))
      continue
    }
    if (moved.has(r.id)) out.push({ kind: 'moved', subject: ruleName(was, place + 1), text: `moves to place ${i + 1}` })
    if ((was.name ?? '') !== (r.name ?? '')) out.push(changed(`rule ${i + 1}`, was.name || 'no name', r.name || 'no name', { text: 'name' }))
    if (!same(was.when, r.when)) out.push(changed(name, whenText(was), whenText(r), { text: 'condition' }))
    out.push(...diffServe(name, was.serve, r.serve))
  }
  return out
}

function whenText(r: Rule): string {
  return r.when ? text(conditionParts(r.when)) : 'everyone'
}

function ruleText(r: Rule): string {
  return `${r.when ? 'if ' : ''}${whenText(r)} → ${text(serveParts(r.serve))}`
}

/** The fewest rules that have to be taken out and put elsewhere: those outside a longest run that keeps its order. */
export function movedRules(before: readonly string[], after: readonly string[]): Set<string> {
  if (same(before, after)) return new Set()
  const kept = after.filter((id) => before.includes(id))
  const places = kept.map((id) => before.indexOf(id))
  const best = places.map(() => 1)
  const from = places.map(() => -1)
  for (let i = 0; i < places.length; i++) {
    for (let j = 0; j < i; j++) {
      if ((places[j] ?? 0) < (places[i] ?? 0) && (best[j] ?? 0) + 1 > (best[i] ?? 0)) {
        best[i] = (best[j] ?? 0) + 1
        from[i] = j
      }
    }
  }
  const stays = new Set<string>()
  for (let i = best.indexOf(Math.max(...best)); i >= 0; i = from[i] ?? -1) stays.add(kept[i] ?? '')
  return new Set(kept.filter((id) => !stays.has(id)))
}

/** What a rule or the default serves, before and after. */
function diffServe(subject: string, before: Serve, after: Serve, offBefore = '', offAfter = offBefore): DiffLine[] {
  const a = before.distribution
  const b = after.distribution
  if (!a || !b) {
    const from = text(serveParts(before, offBefore))
    const to = text(serveParts(after, offAfter))
    return !a === !b && before.variant === after.variant ? [] : [changed(subject, from, to, { text: 'serves' })]
  }
  const out: DiffLine[] = []
  if (toBuckets(a.exposure) !== toBuckets(b.exposure)) {
    out.push(changed(subject, `${formatPercent(a.exposure)} %`, `${formatPercent(b.exposure)} %`, { text: 'exposure', about: 'exposure' }))
  }
  for (const key of new Set([...Object.keys(a.weights ?? {}), ...Object.keys(b.weights ?? {})])) {
    const [x, y] = [toBuckets(a.weights?.[key] ?? 0), toBuckets(b.weights?.[key] ?? 0)]
    if (x !== y) out.push(changed(subject, `${formatPercent(x / 1000)} %`, `${formatPercent(y / 1000)} %`, { text: `share of ${key}` }))
  }
  const by = (list: string[] | undefined) => (list?.length ? list.join(', else ') : 'targetingKey')
  if (by(a.bucketBy) !== by(b.bucketBy)) out.push(changed(subject, by(a.bucketBy), by(b.bucketBy), { text: 'draws by' }))
  const [x, y] = [a.otherwise || offBefore || 'what follows', b.otherwise || offAfter || 'what follows']
  if (x !== y && (a.otherwise ?? '') !== (b.otherwise ?? '')) out.push(changed(subject, x, y, { text: 'the unexposed get' }))
  return out
}

export function diffFlag(before: Flag, after: Flag): DiffLine[] {
  const out: DiffLine[] = []
  const fields: [keyof Flag, string][] = [['name', 'name'], ['description', 'description'], ['kind', 'kind'], ['owner', 'owner'], ['clientVisible', 'visible to clients'], ['archived', 'archived'], ['type', 'type']]
  for (const [field, subject] of fields) {
    const [x, y] = [plain(before[field]), plain(after[field])]
    if (x !== y) out.push(changed(subject, x, y))
  }
  const [x, y] = [before.tags ?? [], after.tags ?? []]
  for (const t of x) if (!y.includes(t)) out.push(changed('tag', t, undefined))
  for (const t of y) if (!x.includes(t)) out.push(changed('tag', undefined, t))
  if (before.salt !== undefined && after.salt !== undefined && before.salt !== after.salt) out.push({ kind: 'changed', subject: 'cohorts', text: 'drawn anew for everyone' })
  out.push(...diffVariants(before.variants ?? [], after.variants ?? []))
  if (!same(before.jsonSchema, after.jsonSchema)) out.push(...diffJson(before.jsonSchema, after.jsonSchema, 'schema'))
  return out
}

function plain(v: unknown): string | undefined {
  if (v === undefined || v === '' || v === false) return undefined
  return v === true ? 'yes' : String(v)
}

function diffVariants(before: Variant[], after: Variant[]): DiffLine[] {
  const out: DiffLine[] = []
  for (const v of before) if (!after.some((w) => w.key === v.key)) out.push(changed(`variant ${v.key}`, shortJson(v.value), undefined))
  for (const v of after) {
    const was = before.find((w) => w.key === v.key)
    const subject = `variant ${v.key}`
    if (!was) {
      out.push(changed(subject, undefined, shortJson(v.value)))
      continue
    }
    if ((was.name ?? '') !== (v.name ?? '')) out.push(changed(subject, was.name || undefined, v.name || undefined, { text: 'name' }))
    if ((was.description ?? '') !== (v.description ?? '')) out.push(changed(subject, was.description || undefined, v.description || undefined, { text: 'description' }))
    if (!same(was.value, v.value)) out.push(...(isObject(was.value) && isObject(v.value) ? diffJson(was.value, v.value, subject) : [changed(subject, shortJson(was.value), shortJson(v.value))]))
  }
  const kept = (list: Variant[], other: Variant[]) => list.map((v) => v.key).filter((k) => other.some((o) => o.key === k))
  if (!same(kept(before, after), kept(after, before))) out.push({ kind: 'moved', subject: 'variants', text: 'in another order' })
  return out
}

function isObject(v: unknown): v is { [name: string]: Json } {
  return typeof v === 'object' && v !== null && !Array.isArray(v)
}

/** A value in one line, not too long. */
export function shortJson(v: Json | undefined, most = 120): string {
  const s = v === undefined ? '' : typeof v === 'string' ? valueText(v) : JSON.stringify(v)
  return s.length > most ? `${s.slice(0, most - 1)}…` : s
}

/** Any two values by their paths. Arrays are taken as sets of lines when all that they hold is plain, else by place. */
export function diffJson(before: Json | undefined, after: Json | undefined, subject = ''): DiffLine[] {
  if (same(before, after)) return []
  if (isObject(before) && isObject(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((k) => diffJson(before[k], after[k], subject ? `${subject}.${k}` : k))
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    if ([...before, ...after].every((v) => typeof v !== 'object')) {
      const gone = before.filter((v) => !after.includes(v)).map((v) => changed(subject, shortJson(v), undefined))
      const come = after.filter((v) => !before.includes(v)).map((v) => changed(subject, undefined, shortJson(v)))
      return gone.length + come.length ? [...gone, ...come] : [{ kind: 'moved', subject, text: 'in another order' }]
    }
    return Array.from({ length: Math.max(before.length, after.length) }, (_, i) => diffJson(before[i], after[i], `${subject}[${i}]`)).flat()
  }
  return [changed(subject || 'value', before === undefined ? undefined : shortJson(before), after === undefined ? undefined : shortJson(after))]
}

/** Members that the server keeps and that tell a reader nothing. */
const owned = new Set(['version', 'updatedAt', 'createdAt', 'lines', 'salt', 'key', 'id', 'count', 'bytes'])

export interface DocumentChange {
  /** Collection and id: "targeting/production/new-checkout". */
  document: string
  before?: unknown
  after?: unknown
}

/** A change of one authored document as the log gives it. */
export function diffDocument(c: DocumentChange): DiffLine[] {
  const kind = c.document.split('/')[0]
  const { before, after } = c
  if (kind === 'targeting' && before && after) return diffTargeting(before as Targeting, after as Targeting)
  if (kind === 'flag' && before && after) return diffFlag(before as Flag, after as Flag)
  if (kind === 'kill') return diffKill(before, after)
  if (before === undefined || before === null) return after === undefined ? [] : [{ kind: 'added', subject: documentName(c.document), text: 'created' }]
  if (after === undefined || after === null) return [{ kind: 'removed', subject: documentName(c.document), text: 'deleted' }]
  return diffJson(bare(before), bare(after))
}

/** "flag new-checkout", "targeting of new-checkout in production". */
export function documentName(document: string): string {
  const [kind = '', a = '', b] = document.split('/')
  if (kind === 'targeting' && b !== undefined) return `targeting of ${b} in ${a}`
  if (kind === 'segmentlist' && b !== undefined) return `segment ${a} in ${b}`
  return b === undefined ? `${kind} ${a}`.trim() : document
}

function diffKill(before: unknown, after: unknown): DiffLine[] {
  const k = (after ?? before) as { reason?: string; cleared?: { reason?: string } }
  if (!before) return [{ kind: 'added', subject: 'kill', text: k.reason ?? 'killed', about: 'switch' }]
  if (k.cleared) return [{ kind: 'removed', subject: 'kill', text: `cleared${k.cleared.reason ? `: ${k.cleared.reason}` : ''}`, about: 'switch' }]
  return [{ kind: 'removed', subject: 'kill', text: 'forgotten' }]
}

function bare(v: unknown): Json {
  return isObject(v) ? Object.fromEntries(Object.entries(v).filter(([k]) => !owned.has(k))) : (v as Json)
}

/** A place of serve by its name in a list: "rule 2 “EU staff”" or "everyone else". */
export function placeName(t: Targeting, id: string): string {
  if (id === defaultRule) return 'everyone else'
  const i = (t.rules ?? []).findIndex((r) => r.id === id)
  const rule = t.rules?.[i]
  return rule ? ruleName(rule, i + 1) : `rule ${id}`
}

import type { NewFlag } from '../../api/flags'
import { parseVariantValue } from '../../lib/values'

// What the create dialog has in hand, and the flag that it makes: pure functions.

export type FlagType = 'boolean' | 'string' | 'number' | 'json'

export type Draft = {
  key: string
  name: string
  description: string
  owner: string
  tags: string[]
  kind: NonNullable<NewFlag['kind']>
  type: FlagType
  clientVisible: boolean
  variants: { key: string; value: string }[]
}

export type Template = { kind: Draft['kind']; name: string; text: string }

export const templates: readonly Template[] = [
  { kind: 'release', name: 'Release', text: 'New code that is turned up step by step, then archived.' },
  { kind: 'experiment', name: 'Experiment', text: 'Two or more variants that are compared.' },
  { kind: 'killSwitch', name: 'Kill switch', text: 'On for everyone in good times; off when a part has to be shed.' },
  { kind: 'permission', name: 'Permission', text: 'For some people for good: a plan, a partner, staff.' },
]

export const emptyDraft: Draft = { key: '', name: '', description: '', owner: '', tags: [], kind: 'release', type: 'boolean', clientVisible: false, variants: [] }

// withKind makes the draft what a template suggests, and keeps what was typed.
export function withKind(draft: Draft, kind: Draft['kind']): Draft {
  if (kind === draft.kind) return draft
  if (kind === 'experiment') return withType({ ...draft, kind }, 'string')
  return withType({ ...draft, kind }, draft.kind === 'experiment' ? 'boolean' : draft.type)
}

const first: Record<FlagType, Draft['variants']> = {
  boolean: [],
  string: [
    { key: 'control', value: 'control' },
    { key: 'treatment', value: 'treatment' },
  ],
  number: [
    { key: 'low', value: '1' },
    { key: 'high', value: '2' },
  ],
  json: [
    { key: 'none', value: '{}' },
    { key: 'some', value: '{"enabled": true}' },
  ],
}

export function withType(draft: Draft, type: FlagType): Draft {
  return type === draft.type ? draft : { ...draft, type, variants: first[type] }
}

// keyFrom suggests a key for a name: "New checkout!" is new-checkout.
export function keyFrom(name: string): string {
  return name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9._]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 128)
}

const keyForm = /^[a-z0-9][a-z0-9._-]{0,127}$/
const variantForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

// draftErrors says what is wrong where, by the JSON pointers that the server uses too.
export function draftErrors(draft: Draft): Record<string, string> {
  const errors: Record<string, string> = {}
  if (draft.key === '') errors['/key'] = 'A key is what code asks for, such as new-checkout'
  else if (/[A-Z]/.test(draft.key)) errors['/key'] = `Small letters only: ${keyFrom(draft.key)}`
  else if (!keyForm.test(draft.key)) errors['/key'] = 'Small letters, digits, dot, dash and underscore; a letter or digit first; at most 128'
  if (draft.type === 'boolean') return errors
  if (draft.variants.length < 2) errors['/variants'] = 'At least two: one that is served when the flag is off, and another'
  const seen = new Set<string>()
  for (const [n, { key, value }] of draft.variants.entries()) {
    if (!variantForm.test(key)) errors[`/variants/${n}/key`] = key === '' ? 'A name is needed' : 'Letters, digits, dot, dash and underscore'
    else if (seen.has(key)) errors[`/variants/${n}/key`] = 'There is one of this name'
    seen.add(key)
    const parsed = parseVariantValue(draft.type, value)
    if (!parsed.ok) errors[`/variants/${n}/value`] = parsed.error
  }
  return errors
}

// flagOf is the flag that a draft without errors makes. The first variant is what is served when the flag is off.
export function flagOf(draft: Draft): NewFlag {
  const { key, name, description, owner, tags, kind, type, clientVisible, variants } = draft
  const flag: NewFlag = { key, type, kind, clientVisible }
  if (name.trim() !== '') flag.name = name.trim()
  if (description.trim() !== '') flag.description = description.trim()
  if (owner.trim() !== '') flag.owner = owner.trim()
  if (tags.length > 0) flag.tags = tags
  if (type === 'boolean') return flag
  flag.variants = variants.map((variant) => {
    const parsed = parseVariantValue(type, variant.value)
    return { key: variant.key, value: (parsed.ok ? parsed.value : null) as never }
  })
  const off = variants[0]
  if (off) flag.off = off.key
  return flag
}

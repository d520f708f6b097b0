import type { Schemas } from '../../api/client'

// What a token is and what it can still do, in words.

export type Token = Schemas['Token']
export type TokenState = 'live' | 'ending' | 'expired' | 'revoked'

const soon = 7 * 24 * 3600 * 1000

/** Ending: it lives on for at most a week, since it was rotated or made for a time. */
export function stateOf(token: Token, now: number): TokenState {
  if (token.revokedAt) return 'revoked'
  if (!token.expires) return 'live'
  const left = Date.parse(token.expires) - now
  return left <= 0 ? 'expired' : left <= soon ? 'ending' : 'live'
}

export function isLive(token: Token, now: number): boolean {
  const state = stateOf(token, now)
  return state === 'live' || state === 'ending'
}

export const kinds = ['server', 'client', 'admin', 'kill'] as const
export type Kind = (typeof kinds)[number]

export const kindWords: Record<Kind, { name: string; prefix: string; can: string; for: string }> = {
  server: { name: 'Server SDK', prefix: 'dms_', can: 'reads all rules of one environment and evaluates flags', for: 'services that you run; keep it secret' },
  client: { name: 'Client SDK', prefix: 'dmc_', can: 'gets values of client-visible flags, never rules', for: 'browsers and apps, where it can be read by anyone' },
  admin: { name: 'Administration', prefix: 'dma_', can: 'acts with a role', for: 'people, scripts and CI' },
  kill: { name: 'Kill', prefix: 'dmk_', can: 'kills flags and can do nothing else', for: 'alerts and runbooks' },
}

export const roles = ['viewer', 'operator', 'editor', 'admin'] as const
export type Role = (typeof roles)[number]

export const roleWords: Record<Role, string> = {
  viewer: 'reads everything but secrets',
  operator: 'reads, ramps, switches and kills',
  editor: 'also writes flags, segments and targeting, and clears kills',
  admin: 'also manages environments and tokens',
}

export function isKind(kind: string): kind is Kind {
  return (kinds as readonly string[]).includes(kind)
}

export function isRole(role: string | undefined): role is Role {
  return role !== undefined && (roles as readonly string[]).includes(role)
}

/** The roles that somebody with a role may give: none above his own. */
export function rolesUpTo(role: string | undefined): Role[] {
  return isRole(role) ? roles.slice(0, roles.indexOf(role) + 1) : []
}

export const lifetimes = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: '1 year' },
  { value: '', label: 'never' },
  { value: 'at', label: 'at a day …' },
] as const

/** When a token made now ends, as the API takes it; undefined: never. `day` is YYYY-MM-DD, of which the token lives the whole, in local time. */
export function expiryOf(choice: string, day: string, now: number): string | undefined {
  if (choice === '') return undefined
  if (choice !== 'at') return new Date(now + Number(choice) * 24 * 3600 * 1000).toISOString()
  const end = new Date(`${day}T23:59:59`)
  return Number.isNaN(end.getTime()) ? undefined : end.toISOString()
}

export type Order = { live: Token[]; gone: Token[] }

/** Live ones first, newest first; those that are of no use any more apart. */
export function ordered(tokens: readonly Token[], now: number): Order {
  const byAge = tokens.toSorted((a, b) => (b.createdAt ?? '').localeCompare(a.createdAt ?? '') || a.id.localeCompare(b.id))
  return { live: byAge.filter((t) => isLive(t, now)), gone: byAge.filter((t) => !isLive(t, now)) }
}

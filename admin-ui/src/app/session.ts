import { useSyncExternalStore } from 'react'
import { asProblem, problemOf } from '../api/problem'
import type { components } from '../api/schema.gen'

export type Principal = components['schemas']['Principal']
type Session = components['schemas']['Session']

export type SessionState = { kind: 'unknown' } | { kind: 'out'; why?: 'expired' } | { kind: 'in'; principal: Principal }

// The session module owns who is signed in. The credential is an HttpOnly cookie, which no script can read; a token is sent once and not kept.
let state: SessionState = { kind: 'unknown' }
const listeners = new Set<() => void>()

function set(next: SessionState) {
  state = next
  for (const tell of listeners) tell()
}

async function call(method: string, body?: unknown): Promise<Response> {
  try {
    return await fetch('/v1/session', body === undefined ? { method } : { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  } catch (err) {
    throw asProblem(err)
  }
}

async function bodyOf<T>(response: Response): Promise<T> {
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw problemOf(body, response)
  return body as T
}

export const session = {
  get: () => state,
  subscribe(tell: () => void) {
    listeners.add(tell)
    return () => void listeners.delete(tell)
  },
  // lost is called on every 401: what was signed in is so no longer.
  lost() {
    if (state.kind === 'in') set({ kind: 'out', why: 'expired' })
  },
  // load finds out who is signed in, once; it throws when the server cannot be reached.
  async load(): Promise<SessionState> {
    if (state.kind !== 'unknown') return state
    const response = await call('GET')
    if (response.status === 401) set({ kind: 'out' })
    else set({ kind: 'in', principal: (await bodyOf<Session>(response)).principal })
    return state
  },
  // signIn takes a token or a one-time code; it throws a ProblemError that says what is wrong with it.
  async signIn(how: { token: string } | { code: string }): Promise<void> {
    set({ kind: 'in', principal: (await bodyOf<Session>(await call('POST', how))).principal })
  },
  async signOut(): Promise<void> {
    const response = await call('DELETE')
    if (!response.ok && response.status !== 401) await bodyOf(response)
    set({ kind: 'out' })
  },
}

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, session.get)
}

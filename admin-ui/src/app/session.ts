import { useSyncExternalStore } from 'react'
import { asProblem, problemOf } from '../api/problem'
import type { components } from '../api/schema.gen'

export type Principal = components['schemas']['Principal']

export type SessionState = { kind: 'unknown' } | { kind: 'out'; why?: 'expired' } | { kind: 'in'; principal: Principal }

// The session module owns who is signed in. The credential is an HttpOnly cookie, which no script can read. A server without sessions is
// talked to with the token itself, which then lives in memory only, and a reload asks for it again.
let state: SessionState = { kind: 'unknown' }
let bearer: string | undefined
const listeners = new Set<() => void>()

function set(next: SessionState) {
  state = next
  for (const tell of listeners) tell()
}

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (bearer !== undefined) headers.Authorization = `Bearer ${bearer}`
  try {
    return await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  } catch (err) {
    throw asProblem(err)
  }
}

type Session = components['schemas']['Session']

async function bodyOf<T>(response: Response): Promise<T> {
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw problemOf(body, response)
  return body as T
}

const noSessions = (status: number) => status === 404 || status === 405

export const session = {
  get: () => state,
  subscribe(tell: () => void) {
    listeners.add(tell)
    return () => void listeners.delete(tell)
  },
  authorization: () => (bearer === undefined ? undefined : `Bearer ${bearer}`),
  // lost is called on every 401: what was signed in is so no longer.
  lost() {
    bearer = undefined
    if (state.kind === 'in') set({ kind: 'out', why: 'expired' })
  },
  // load finds out who is signed in, once; it throws when the server cannot be reached.
  async load(): Promise<SessionState> {
    if (state.kind !== 'unknown') return state
    const response = await call('GET', '/v1/session')
    if (response.ok) set({ kind: 'in', principal: (await bodyOf<Session>(response)).principal })
    else if (response.status === 401 || noSessions(response.status)) set({ kind: 'out' })
    else await bodyOf(response)
    return state
  },
  // signIn takes a token or a one-time code; it throws a ProblemError that says what is wrong with it.
  async signIn(how: { token: string } | { code: string }): Promise<Principal> {
    const response = await call('POST', '/v1/session', how)
    let principal: Principal
    if (noSessions(response.status) && 'token' in how) {
      bearer = how.token
      principal = await bodyOf<Principal>(await call('GET', '/v1/whoami'))
    } else {
      principal = (await bodyOf<Session>(response)).principal
    }
    set({ kind: 'in', principal })
    return principal
  },
  async signOut(): Promise<void> {
    const response = await call('DELETE', '/v1/session')
    if (!response.ok && response.status !== 401 && !noSessions(response.status)) await bodyOf(response)
    bearer = undefined
    set({ kind: 'out' })
  },
}

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, session.get)
}

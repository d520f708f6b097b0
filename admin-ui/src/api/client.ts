import createClient, { type Middleware } from 'openapi-fetch'
import { session } from '../app/session'
import { asProblem, problemOf } from './problem'
import type { components, paths } from './schema.gen'

export type Schemas = components['schemas']

// The browser sends the session's cookie by itself; when it is good no longer, the whole page has to know.
const signedOut: Middleware = {
  onResponse({ response }) {
    if (response.status === 401) session.lost()
  },
}

// client is the whole REST API, typed by the server's own description. Calls go through `ask` or `change`, so that failures are ProblemErrors.
export const client = createClient<paths>({ baseUrl: '/' })
client.use(signedOut)

// Answer is a document with what its headers say: the version to give back in If-Match, and where a write stands in the log.
export type Answer<T> = {
  data: T
  etag: string | undefined
  revision: number | undefined
  // confirmed, or unconfirmed when the change may be lost with the store's primary; undefined for reads.
  durability: string | undefined
  // Whether the server had already done this (the same Idempotency-Key).
  replayed: boolean
  status: number
}

type Settled<T> = { data?: T; error?: unknown; response: Response }

// change awaits a call and gives the answer with its headers; it throws a ProblemError.
export async function change<T>(call: Promise<Settled<T>>): Promise<Answer<T>> {
  let settled: Settled<T>
  try {
    settled = await call
  } catch (err) {
    throw asProblem(err)
  }
  const { data, error, response } = settled
  if (!response.ok) throw problemOf(error, response)
  const revision = response.headers.get('Dimmer-Revision')
  return {
    data: data as T,
    etag: response.headers.get('ETag') ?? undefined,
    revision: revision === null ? undefined : Number(revision),
    durability: response.headers.get('Dimmer-Durability') ?? undefined,
    replayed: response.headers.get('Idempotency-Replayed') === 'true',
    status: response.status,
  }
}

// ask awaits a call and gives its document; it throws a ProblemError.
export async function ask<T>(call: Promise<Settled<T>>): Promise<T> {
  return (await change(call)).data
}

// ifMatch is the header that makes a write fail with 412 when somebody else was faster.
export function ifMatch(version: number | undefined): { 'If-Match'?: string } {
  return version === undefined ? {} : { 'If-Match': `"${version}"` }
}

// onceKey names one intent: made when the person decides, and sent again with every repetition of the same write.
export function onceKey(): string {
  return crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')
}

export function once(key: string = onceKey()): { 'Idempotency-Key': string } {
  return { 'Idempotency-Key': key }
}

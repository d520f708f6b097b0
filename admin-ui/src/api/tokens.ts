import { queryOptions } from '@tanstack/react-query'
import { type Schemas, ask, change, client, once } from './client'
import { keys } from './queries'
import { reasonQuery } from './reason'

type Token = Schemas['Token']

// all reads a list of tokens page after page: there are as many as there are services and people.
async function all(page: (cursor: string | undefined) => Promise<Schemas['TokenList']>): Promise<Token[]> {
  const found: Token[] = []
  let cursor: string | undefined
  do {
    const { items, next } = await page(cursor)
    found.push(...items)
    cursor = next || undefined
  } while (cursor)
  return found
}

/** A project's tokens, without secrets. */
export function tokensQuery(project: string) {
  return queryOptions({
    queryKey: keys.tokens(project),
    queryFn: ({ signal }) => all((cursor) => ask(client.GET('/v1/projects/{project}/tokens', { params: { path: { project }, query: { limit: 1000, cursor } }, signal }))),
    staleTime: 10_000,
  })
}

/** Where a token belongs: to a project, or to the whole installation. */
export type Place = string | undefined

/** Makes a token. The answer to a repetition with the same key has no secret: it is shown once. */
export function createToken(project: Place, token: Schemas['TokenRequest'], reason: string, key: string) {
  const [query, header] = [reasonQuery(reason), once(key)]
  return change(
    project === undefined
      ? client.POST('/v1/tokens', { params: { query, header }, body: token })
      : client.POST('/v1/projects/{project}/tokens', { params: { path: { project }, query, header }, body: token }),
  )
}

/** Makes a successor; the old one lives on for the overlap, such as 24h. */
export function rotateToken(project: Place, token: string, overlap: string, reason: string, key: string) {
  const body = { overlap, ...reasonQuery(reason) }
  return change(
    project === undefined
      ? client.POST('/v1/tokens/{token}/rotate', { params: { path: { token }, header: once(key) }, body })
      : client.POST('/v1/projects/{project}/tokens/{token}/rotate', { params: { path: { project, token }, header: once(key) }, body }),
  )
}

export function revokeToken(project: Place, token: string, reason: string) {
  const [query, header] = [reasonQuery(reason), once()]
  return change(
    project === undefined
      ? client.DELETE('/v1/tokens/{token}', { params: { path: { token }, query, header } })
      : client.DELETE('/v1/projects/{project}/tokens/{token}', { params: { path: { project, token }, query, header } }),
  )
}

/** The tokens of the whole installation, for their names; only those who are bound to no project may list them. */
export function installationTokensQuery() {
  return queryOptions({
    queryKey: ['tokens'] as const,
    queryFn: ({ signal }) => all((cursor) => ask(client.GET('/v1/tokens', { params: { query: { limit: 1000, cursor } }, signal }))),
  })
}

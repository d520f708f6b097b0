import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const principal = { id: 'token:a', name: 'Ann', kind: 'admin', role: 'editor' }
const problem = { type: 'about:blank', title: 'Unauthorized', status: 401, code: 'unauthenticated', id: 'x' }
const answers: (Response | Error)[] = []
const sent: { method?: string; body?: unknown }[] = []

beforeEach(() => {
  vi.resetModules()
  answers.length = sent.length = 0
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    sent.push({ method: init.method, body: init.body })
    const next = answers.shift()
    return next instanceof Response ? Promise.resolve(next) : Promise.reject(next ?? new Error('nothing was to be asked'))
  })
})
afterEach(() => vi.unstubAllGlobals())

const fresh = async () => (await import('./session')).session

describe('session', () => {
  it('finds out once who is signed in', async () => {
    answers.push(Response.json({ principal }))
    const session = await fresh()
    expect(await session.load()).toEqual({ kind: 'in', principal })
    expect(await session.load()).toEqual({ kind: 'in', principal })
    expect(sent).toHaveLength(1)
  })
  it('is out without a cookie, and that is no failure', async () => {
    answers.push(Response.json(problem, { status: 401 }))
    expect(await (await fresh()).load()).toEqual({ kind: 'out' })
  })
  it('asks again after a server that could not be reached', async () => {
    answers.push(new TypeError('failed'), Response.json({ principal }))
    const session = await fresh()
    await expect(session.load()).rejects.toMatchObject({ status: 0 })
    expect(await session.load()).toMatchObject({ kind: 'in' })
  })
  it('stays out when a token is refused, and says what the server said', async () => {
    answers.push(Response.json(problem, { status: 401 }))
    const session = await fresh()
    await expect(session.signIn({ token: 'dma_x' })).rejects.toMatchObject({ name: 'ProblemError', status: 401 })
    expect(session.get().kind).not.toBe('in')
    expect(sent[0]).toEqual({ method: 'POST', body: '{"token":"dma_x"}' })
  })
  it('tells who listens that it is over, once', async () => {
    answers.push(Response.json({ principal }))
    const session = await fresh()
    await session.load()
    const tell = vi.fn()
    const stop = session.subscribe(tell)
    session.lost()
    session.lost()
    expect(session.get()).toEqual({ kind: 'out', why: 'expired' })
    expect(tell).toHaveBeenCalledTimes(1)
    stop()
  })
  it('is still in when signing out fails, and out when the session was gone already', async () => {
    answers.push(Response.json({ principal }), Response.json({ ...problem, status: 503 }, { status: 503 }), Response.json(problem, { status: 401 }))
    const session = await fresh()
    await session.load()
    await expect(session.signOut()).rejects.toMatchObject({ status: 503 })
    expect(session.get().kind).toBe('in')
    await session.signOut()
    expect(session.get()).toEqual({ kind: 'out' })
  })
})

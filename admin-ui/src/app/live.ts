import type { QueryClient } from '@tanstack/react-query'
import { refreshFlags } from '../api/flags'
import { keys } from '../api/queries'
import { makeStore, useStore } from '../components/external'
import { session } from './session'
import { type ServerEvent, sseParser } from './sse'
import { type Entry, staleAfter } from './stale'

// Live is the state of the one event stream: what is on screen is current while it is live.
export type Live =
  | { kind: 'connecting' }
  | { kind: 'live'; revision: number }
  // since: when the connection went (ms); the next try is on its way.
  | { kind: 'lost'; since: number; revision: number }

const state = makeStore<Live>({ kind: 'connecting' })

export function useLive(): Live {
  return useStore(state)
}

// What is more than this many flags in one change, or in a burst, is loaded as a list.
const manyFlags = 20
// The server says something every 15 s; after this much silence the connection is dead, whatever the browser thinks (ms).
const silence = 40_000
// A page that nobody looks at gives its connection up, and one that is opened in the background takes none: over plain HTTP a browser has six for
// one server, and the page that is looked at has to have one for a kill (ms).
const hiddenFor = 5_000
const slowest = 10_000

// follow keeps one stream of a project's events open until stop is called, and keeps the query cache true by it.
export function follow(project: string, queries: QueryClient): { stop: () => void; retry: () => void } {
  const ended = new AbortController()
  let position = ''
  let attempt = 0
  let wake: (() => void) | undefined
  let current: AbortController | undefined
  let hiding: number | undefined
  state.set({ kind: 'connecting' })

  // What became stale is loaded soon and together: 40 ms are less than anyone sees, and a burst of changes is four loads a second, not hundreds.
  const flags = new Set<string>()
  const stale = new Map<string, readonly string[]>()
  let everything = false
  let timer: number | undefined
  let loaded = 0
  const load = () => {
    timer = undefined
    loaded = Date.now()
    const due = { everything, flags: [...flags], keys: [...stale.values()] }
    everything = false
    flags.clear()
    stale.clear()
    if (due.everything) {
      void queries.invalidateQueries({ queryKey: keys.all(project) })
      return
    }
    const list = () => queries.invalidateQueries({ queryKey: ['p', project, 'flags'] })
    if (due.flags.length > manyFlags) void list()
    else refreshFlags(queries, project, due.flags).catch(list)
    for (const key of due.keys) void queries.invalidateQueries({ queryKey: ['p', project, ...key] })
  }
  const loadSoon = () => {
    timer ??= window.setTimeout(load, Math.max(40, loaded + 250 - Date.now()))
  }

  // What was missed comes again as events; what no event tells of, or what failed meanwhile, is loaded anew.
  const caughtUp = () => {
    void queries.invalidateQueries({ queryKey: keys.instances(project) })
    void queries.invalidateQueries({ predicate: (query) => query.state.status === 'error' })
  }

  const take = ({ event, data, id }: ServerEvent) => {
    // What was loaded before the stream began may have changed in between, and no event will tell.
    if (position === '') void queries.invalidateQueries({ queryKey: keys.all(project), predicate: ({ state: { dataUpdatedAt, fetchStatus } }) => dataUpdatedAt > 0 && fetchStatus === 'idle' })
    position = id
    const revision = Number(id.split('.')[1] ?? 0)
    attempt = 0
    if (state.get().kind === 'lost') caughtUp()
    state.set({ kind: 'live', revision })
    if (event !== 'change' && event !== 'reset') return
    const changed = event === 'change' ? staleAfter(JSON.parse(data) as Entry) : undefined
    if (changed === undefined) everything = true
    for (const flag of changed?.flags ?? []) flags.add(flag)
    for (const key of changed?.keys ?? []) stale.set(key.join('/'), key)
    loadSoon()
  }

  const read = async (attemptSignal: AbortController) => {
    let watchdog = window.setTimeout(() => attemptSignal.abort(), silence)
    try {
      const response = await fetch(`/v1/projects/${encodeURIComponent(project)}/events`, {
        headers: { Accept: 'text/event-stream', ...(position && { 'Last-Event-ID': position }) },
        signal: attemptSignal.signal,
        cache: 'no-store',
      })
      if (response.status === 401) session.lost()
      // No project, or no right to see it: to ask again and again would not change that.
      if (response.status === 403 || response.status === 404) ended.abort()
      if (!response.ok || !response.body) throw new Error(`the answer was ${response.status}`)
      const parse = sseParser()
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        window.clearTimeout(watchdog)
        watchdog = window.setTimeout(() => attemptSignal.abort(), silence)
        for (const event of parse(value)) take(event)
      }
    } finally {
      window.clearTimeout(watchdog)
    }
  }

  const lost = () => {
    const before = state.get()
    if (before.kind !== 'lost') state.set({ kind: 'lost', since: Date.now(), revision: before.kind === 'live' ? before.revision : 0 })
  }

  const pause = (ms: number) =>
    new Promise<void>((done) => {
      const id = window.setTimeout(done, ms)
      wake = () => {
        window.clearTimeout(id)
        done()
      }
    })

  const run = async () => {
    while (!ended.signal.aborted && session.get().kind === 'in') {
      if (document.hidden && hiding === undefined) {
        await pause(2 ** 30) // until somebody looks again
        continue
      }
      current = new AbortController()
      try {
        await read(current)
      } catch {
        // Whatever it was, the answer is to try again; the person sees that it is so.
      }
      if (ended.signal.aborted) return
      if (document.hidden) continue
      lost()
      // Full jitter: a server that comes back is not met by everybody at once.
      await pause(Math.random() * Math.min(slowest, 500 * 2 ** attempt++))
    }
  }

  const retry = () => {
    attempt = 0
    wake?.()
  }
  const gone = () => current?.abort()
  const shown = () => {
    window.clearTimeout(hiding)
    hiding = document.hidden
      ? window.setTimeout(() => {
          hiding = undefined
          current?.abort()
        }, hiddenFor)
      : undefined
    if (!document.hidden) retry()
  }
  window.addEventListener('online', retry)
  window.addEventListener('offline', gone)
  document.addEventListener('visibilitychange', shown)
  void run()

  return {
    retry,
    stop() {
      ended.abort()
      current?.abort()
      wake?.()
      window.clearTimeout(timer)
      window.clearTimeout(hiding)
      window.removeEventListener('online', retry)
      window.removeEventListener('offline', gone)
      document.removeEventListener('visibilitychange', shown)
    },
  }
}

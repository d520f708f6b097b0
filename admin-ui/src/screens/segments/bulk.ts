import { ProblemError } from '../../api/problem'

// Many keys go to the server one request after the other. Edits of a list are edits of a set: one that is sent twice changes nothing, so that what
// was interrupted goes on where it stopped.

export interface Progress {
  chunks: number // done
  keys: number // done
}

export interface Bulk {
  chunks: readonly (readonly string[])[]
  send: (keys: readonly string[], signal: AbortSignal) => Promise<unknown>
  told: (done: Progress) => void
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

const tries = 6

/** Sends chunks from `from` on. It ends with all of them done, or throws what stopped it; `told` then has said how far it came. */
export async function sendAll({ chunks, send, told, wait = pause }: Bulk, from: number, signal: AbortSignal): Promise<void> {
  let keys = chunks.slice(0, from).reduce((n, c) => n + c.length, 0)
  for (let i = from; i < chunks.length; i++) {
    const chunk = chunks[i] ?? []
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted()
      try {
        await send(chunk, signal)
        break
      } catch (err) {
        if (signal.aborted || attempt + 1 >= tries || !passes(err)) throw err
        await wait(500 * 2 ** attempt, signal)
      }
    }
    keys += chunk.length
    told({ chunks: i + 1, keys })
  }
}

/** What may be over when it is tried again: too many requests, a store that does not answer, a connection that broke. */
function passes(err: unknown): boolean {
  return err instanceof ProblemError && (err.status === 429 || err.status === 503 || err.status === 0)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const stop = () => {
      window.clearTimeout(id)
      fail(signal.reason as Error)
    }
    const id = window.setTimeout(() => {
      signal.removeEventListener('abort', stop)
      done()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}

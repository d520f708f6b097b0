import { useSyncExternalStore } from 'react'

// One clock for everything that says "3 min ago": it ticks every 5 s while anybody looks.
const every = 5000
const listeners = new Set<() => void>()
let now = Date.now()
let timer: number | undefined

function subscribe(tell: () => void) {
  listeners.add(tell)
  now = Date.now()
  timer ??= window.setInterval(() => {
    now = Date.now()
    for (const each of listeners) each()
  }, every)
  return () => {
    listeners.delete(tell)
    if (listeners.size === 0) {
      window.clearInterval(timer)
      timer = undefined
    }
  }
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

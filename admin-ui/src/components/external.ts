import { useSyncExternalStore } from 'react'

// A Store is one value outside React that components follow: what the shell hosts for every screen (a toast, the kill dialog).
export type Store<T> = { get: () => T; set: (next: T) => void; subscribe: (tell: () => void) => () => void }

export function makeStore<T>(value: T): Store<T> {
  const listeners = new Set<() => void>()
  return {
    get: () => value,
    set(next) {
      value = next
      for (const tell of listeners) tell()
    },
    subscribe(tell) {
      listeners.add(tell)
      return () => void listeners.delete(tell)
    },
  }
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get)
}

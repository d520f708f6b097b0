import { makeStore } from './external'

export type Toast = {
  id: number
  text: string
  tone: 'plain' | 'bad'
  // Undo is offered while the toast is there; what it throws is shown in its place.
  undo?: () => Promise<unknown>
}

export const toasts = makeStore<readonly Toast[]>([])
let last = 0

// toast says what was done at the foot of the window, for some seconds, with a way back where there is one. A new one replaces what is older than
// two others.
export function toast(text: string, more: { tone?: Toast['tone']; undo?: Toast['undo'] } = {}) {
  toasts.set([...toasts.get().slice(-2), { id: ++last, text, tone: more.tone ?? 'plain', undo: more.undo }])
}

export function dropToast(id: number) {
  toasts.set(toasts.get().filter((each) => each.id !== id))
}

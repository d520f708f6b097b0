import { useEffect, useState } from 'react'

// Where the focus was before the first of the dialogs that are open, or followed each other, was opened.
let origin: HTMLElement | undefined

// useFocusBack gives the focus back when a dialog that is there only while it is open goes away: to where it came from, or else to the content.
export function useFocusBack() {
  // While rendering: after it, the dialog has the focus.
  useState(() => {
    const now = document.activeElement
    if (now instanceof HTMLElement && now !== document.body && !now.closest('[role=dialog]')) origin = now
  })
  useEffect(
    () => () => {
      requestAnimationFrame(() => {
        if (document.activeElement !== document.body && document.activeElement !== null) return // another dialog, or a page, has it
        const to = origin?.isConnected ? origin : document.getElementById('content')
        to?.focus({ preventScroll: true })
      })
    },
    [],
  )
}

// focusFirst, as the ref of what is in a dialog, gives the focus to its first field as soon as that is there. A focus trap does so a moment later, and
// what is typed in that moment would be lost.
export function focusFirst(inside: HTMLElement | null) {
  inside?.querySelector<HTMLElement>('[data-autofocus]')?.focus({ preventScroll: true })
}

import { Button, CloseButton } from '@mantine/core'
import { useEffect, useState } from 'react'
import { asProblem } from '../api/problem'
import classes from './Toasts.module.css'
import { useStore } from './external'
import { type Toast, dropToast, toast, toasts } from './toast'

// Long enough to read and to reach; while the pointer or the focus is in it, a toast stays (ms).
const shownFor = 10_000

export function Toasts() {
  const list = useStore(toasts)
  return (
    <div className={classes.stack} role="status" aria-live="polite">
      {list.map((each) => (
        <OneToast key={each.id} toast={each} />
      ))}
    </div>
  )
}

function OneToast({ toast: { id, text, tone, undo } }: { toast: Toast }) {
  const [held, setHeld] = useState(false)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    if (held || busy) return
    const timer = window.setTimeout(() => dropToast(id), shownFor)
    return () => window.clearTimeout(timer)
  }, [id, held, busy])
  const takeBack = async () => {
    if (!undo) return
    setBusy(true)
    try {
      await undo()
      dropToast(id)
      toast('Undone')
    } catch (err) {
      dropToast(id)
      toast(`Not undone: ${asProblem(err).message}`, { tone: 'bad' })
    }
  }
  return (
    <div
      className={classes.toast}
      data-tone={tone}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span className={classes.text}>{text}</span>
      {undo && (
        <Button size="compact-sm" loading={busy} onClick={() => void takeBack()}>
          Undo
        </Button>
      )}
      <CloseButton size="sm" aria-label="Dismiss" onClick={() => dropToast(id)} />
    </div>
  )
}

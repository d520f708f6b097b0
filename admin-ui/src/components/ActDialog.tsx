import { Button, Modal, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import classes from './ActDialog.module.css'
import { ProblemAlert } from './ProblemAlert'
import { ReasonField, reasonError } from './ReasonField'
import { focusFirst, useFocusBack } from './focusBack'

interface Props {
  title: string
  /** The act in a word or two, as the button says it. */
  act: string
  tone?: 'primary' | 'danger'
  size?: string | number
  /** What will happen, in numbers. */
  children: ReactNode
  /** Whether a reason is asked for; it can be left out unless it has to be there. */
  reason?: 'optional' | 'required' | 'none'
  disabled?: boolean
  /** What has to be typed first, where nothing can be taken back. */
  confirm?: string
  /** Does it; what it throws is shown, and the dialog stays. */
  onAct: (reason: string) => Promise<unknown>
  onClose: () => void
  /** Shows an error in words of its own; undefined: as the server said it. */
  explain?: (error: unknown) => ReactNode | undefined
}

// ActDialog says what an act will do, asks why, and does it. Enter does it too; Escape leaves everything as it is.
export function ActDialog({ title, act, tone = 'primary', size = 'lg', children, reason = 'optional', disabled, confirm, onAct, onClose, explain }: Props) {
  useFocusBack()
  const [why, setWhy] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const [typed, setTyped] = useState('')
  const missing = (reason === 'required' && why.trim() === '') || (confirm !== undefined && typed.trim() !== confirm)
  const submit = async () => {
    if (busy || disabled || missing || reasonError(why) !== undefined) return
    setBusy(true)
    setError(undefined)
    try {
      await onAct(why)
    } catch (err) {
      setError(err)
      setBusy(false)
    }
  }
  return (
    <Modal opened onClose={onClose} title={title} size={size} closeButtonProps={{ 'aria-label': 'Close' }} classNames={{ title: classes.title }}>
      <form
        ref={focusFirst}
        className={classes.form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        {children}
        {reason !== 'none' && <ReasonField value={why} onChange={setWhy} required={reason === 'required'} label={reason === 'required' ? 'Reason' : 'Reason (optional)'} placeholder="For whoever reads the log" />}
        {confirm !== undefined && (
          <TextInput
            label={
              <>
                Type <span className="mono">{confirm}</span> to go on
              </>
            }
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
          />
        )}
        {error !== undefined && (explain?.(error) ?? <ProblemAlert error={error} />)}
        <div className={classes.acts}>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant={tone} loading={busy} disabled={disabled || missing}>
            {act}
          </Button>
        </div>
      </form>
    </Modal>
  )
}

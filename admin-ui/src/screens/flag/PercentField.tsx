import { TextInput } from '@mantine/core'
import { type KeyboardEvent, useState } from 'react'
import { formatBuckets, parsePercent, stepped } from '../../lib/percent'

type Props = {
  label: string
  /** Buckets. */
  value: number
  onChange: (buckets: number) => void
  error?: string | undefined
  disabled?: boolean
  size?: 'xs' | 'sm' | 'md'
  className?: string | undefined
}

// PercentField takes a share exactly, to 0.001 %. What is typed counts as soon as it is a percentage; arrow keys step as on the slider.
export function PercentField({ label, value, onChange, error, disabled, size = 'sm', className }: Props) {
  const [typed, setTyped] = useState<string>()
  const parsed = typed === undefined ? undefined : parsePercent(typed)
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Enter' || event.key === 'Escape') setTyped(undefined)
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return
    const next = stepped(value, event.key, { shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey })
    event.preventDefault()
    setTyped(undefined)
    if (next !== undefined) onChange(next)
  }
  return (
    <TextInput
      aria-label={label}
      className={className}
      size={size}
      value={typed ?? formatBuckets(value)}
      onChange={(event) => {
        const text = event.currentTarget.value
        setTyped(text)
        const next = parsePercent(text)
        if (next.ok) onChange(next.value)
      }}
      onFocus={(event) => event.currentTarget.select()}
      onBlur={() => setTyped(undefined)}
      onKeyDown={keys}
      error={parsed && !parsed.ok ? parsed.error : error}
      disabled={disabled}
      inputMode="decimal"
      autoComplete="off"
      rightSection={<span aria-hidden="true">%</span>}
      rightSectionPointerEvents="none"
    />
  )
}

import { TextInput } from '@mantine/core'

type ReasonProps = {
  value: string
  onChange: (value: string) => void
  label?: string
  placeholder?: string
  error?: string | undefined
  required?: boolean
  disabled?: boolean
  // Takes the focus when it appears; in a dialog that opens it does so anyhow.
  autoFocus?: boolean
}

// maxReason is the API's: bytes of a reason.
export const maxReason = 1024

export function reasonError(reason: string): string | undefined {
  const bytes = new TextEncoder().encode(reason).length
  return bytes > maxReason ? `Too long: ${bytes} bytes; at most ${maxReason}` : undefined
}

// ReasonField asks why. The log keeps it, and whoever is called at night reads it.
export function ReasonField({ value, onChange, label = 'Reason', placeholder, error, required, disabled, autoFocus }: ReasonProps) {
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={reasonError(value) ?? error}
      required={required}
      disabled={disabled}
      data-autofocus
      autoFocus={autoFocus}
      autoComplete="off"
      name="reason"
    />
  )
}

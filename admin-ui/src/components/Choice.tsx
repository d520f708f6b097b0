import type { ReactNode } from 'react'
import classes from './Choice.module.css'

interface Option {
  value: string
  label: ReactNode
}

// Choice is one of a few, all of them in sight: a filter's states, two ways to do something.
export function Choice({ label, value, options, onChange }: { label: string; value: string; options: readonly Option[]; onChange: (value: string) => void }) {
  return (
    <div className={classes.choice} role="group" aria-label={label}>
      {options.map((o) => (
        <button key={o.value} type="button" aria-pressed={o.value === value} onClick={() => onChange(o.value)}>
          {o.label}
        </button>
      ))}
    </div>
  )
}

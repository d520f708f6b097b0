import type { ReactNode } from 'react'
import classes from './Toolbar.module.css'

// Toolbar is the row of filters above a table; what counts or acts stands at its end.
export function Toolbar({ label, children, end }: { label: string; children: ReactNode; end?: ReactNode }) {
  return (
    <div className={classes.bar} role="search" aria-label={label}>
      {children}
      {end !== undefined && <div className={classes.end}>{end}</div>}
    </div>
  )
}

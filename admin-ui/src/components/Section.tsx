import { type ReactNode, useId } from 'react'
import classes from './Section.module.css'
import { count as written } from './time'

// Section is a part of a page with a heading of its own, and how many there are of what it lists.
export function Section({ title, count, actions, children }: { title: ReactNode; count?: number; actions?: ReactNode; children: ReactNode }) {
  const id = useId()
  return (
    <section className={classes.section} aria-labelledby={id}>
      <div className={classes.head}>
        <h2 id={id} className={classes.title}>
          {title} {count !== undefined && <span className={classes.count}>{written(count)}</span>}
        </h2>
        {actions !== undefined && <div className={classes.actions}>{actions}</div>}
      </div>
      {children}
    </section>
  )
}

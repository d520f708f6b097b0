import type { ReactNode } from 'react'
import { useId } from 'react'
import classes from './page.module.css'

// Page is the frame of a screen: its heading, the acts on it, and a line that says what it is for.
export function Page({ title, lead, actions, children }: { title: ReactNode; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <h1>{title}</h1>
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      {lead && <p className={classes.lead}>{lead}</p>}
      <div className={classes.body}>{children}</div>
    </div>
  )
}

// Section is a part of a page with a heading of its own, and how many there are of what it lists.
export function Section({ title, count, actions, children }: { title: ReactNode; count?: number; actions?: ReactNode; children: ReactNode }) {
  const id = useId()
  return (
    <section className={classes.section} aria-labelledby={id}>
      <div className={classes.sectionHead}>
        <h2 id={id}>
          {title} {count !== undefined && <span className={classes.count}>{count.toLocaleString('en')}</span>}
        </h2>
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      {children}
    </section>
  )
}

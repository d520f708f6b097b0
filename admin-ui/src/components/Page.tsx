import type { ReactNode } from 'react'
import classes from './Page.module.css'

type PageProps = { title: ReactNode; lead?: ReactNode; actions?: ReactNode; fill?: boolean; children: ReactNode }

// Page is the frame of a screen: its heading, the acts on it, and a line that says what it is for. fill: the content scrolls inside itself.
export function Page({ title, lead, actions, fill, children }: PageProps) {
  return (
    <div className={classes.page} data-fill={fill || undefined}>
      <div className={classes.head}>
        <h1 className={classes.title}>{title}</h1>
        {actions !== undefined && <div className={classes.actions}>{actions}</div>}
        {lead !== undefined && <p className={classes.lead}>{lead}</p>}
      </div>
      {children}
    </div>
  )
}

import type { ReactNode } from 'react'
import { Command } from './Command'
import classes from './Empty.module.css'

type EmptyProps = { title: string; children?: ReactNode; command?: string; action?: ReactNode }

// Empty teaches the next step where there is nothing yet: what this place is for, an act, and the same act as a command to copy.
export function Empty({ title, children, command, action }: EmptyProps) {
  return (
    <div className={classes.empty}>
      <h2 className={classes.title}>{title}</h2>
      {children !== undefined && <div className={classes.text}>{children}</div>}
      {action !== undefined && <div className={classes.action}>{action}</div>}
      {command !== undefined && <Command>{command}</Command>}
    </div>
  )
}

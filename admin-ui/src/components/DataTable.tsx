import type { ReactNode } from 'react'
import classes from './DataTable.module.css'

export interface Column<T> {
  key: string
  /** The heading; a column of acts has one for screen readers only. */
  title: string
  /** Without a label on a narrow screen: what names the row, or acts. */
  bare?: boolean
  align?: 'number' | 'acts'
  cell: (item: T) => ReactNode
}

interface Props<T> {
  label: string
  columns: readonly Column<T>[]
  items: readonly T[]
  id: (item: T) => string
}

// DataTable is a table that stays one for screen readers where a narrow screen sets it as a list: hence the roles.
export function DataTable<T>({ label, columns, items, id }: Props<T>) {
  return (
    <div className={classes.frame}>
      <table className={classes.table} role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((c) => (
              <th key={c.key} role="columnheader" scope="col" className={c.align && classes[c.align]}>
                {c.align === 'acts' ? <span className="sr-only">{c.title}</span> : c.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {items.map((item) => (
            <tr key={id(item)} role="row">
              {columns.map((c) => (
                <td key={c.key} role="cell" className={c.align && classes[c.align]}>
                  {!c.bare && (
                    <span className={classes.label} aria-hidden>
                      {c.title}
                    </span>
                  )}
                  <div className={classes.value}>{c.cell(item)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

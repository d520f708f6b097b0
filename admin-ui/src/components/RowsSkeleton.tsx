import { Skeleton } from '@mantine/core'
import classes from './RowsSkeleton.module.css'

// RowsSkeleton holds the place of a table while it is being read, in the table's own measures, so that nothing jumps.
export function RowsSkeleton({ rows = 6, label }: { rows?: number; label: string }) {
  return (
    <div className={classes.frame} role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className={classes.row}>
          <Skeleton height={12} width={`${24 + ((i * 7) % 16)}%`} />
          <Skeleton height={12} width={`${10 + ((i * 5) % 12)}%`} />
          <Skeleton height={12} width={`${16 + ((i * 3) % 20)}%`} />
        </div>
      ))}
    </div>
  )
}

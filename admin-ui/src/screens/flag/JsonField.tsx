import { Skeleton } from '@mantine/core'
import { Suspense, lazy } from 'react'
import classes from './JsonField.module.css'

const JsonEditor = lazy(() => import('./JsonEditor').then((m) => ({ default: m.JsonEditor })))

type Props = { label: string; description?: string; value: string; onChange: (text: string) => void; placeholder?: string; errors?: readonly string[]; hidden?: boolean }

// JsonField is an editor of JSON with its label and what is wrong with it; the editor itself is loaded when it is first needed.
export function JsonField({ label, description, value, onChange, placeholder, errors = [], hidden }: Props) {
  return (
    <div className={classes.field}>
      {!hidden && <span className={classes.label}>{label}</span>}
      {description !== undefined && <span className={classes.description}>{description}</span>}
      <Suspense fallback={<Skeleton height={72} />}>
        <JsonEditor label={label} value={value} onChange={onChange} placeholder={placeholder ?? ''} invalid={errors.length > 0} />
      </Suspense>
      {errors.map((e) => (
        <p key={e} className={classes.error} data-problem>
          {e}
        </p>
      ))}
    </div>
  )
}

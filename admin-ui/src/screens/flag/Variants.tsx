import { Button } from '@mantine/core'
import { useState } from 'react'
import type { Place } from '../../api/flag'
import { Section } from '../../components/Section'
import { shortJson } from '../../lib/diff'
import type { Flag } from '../../lib/model'
import { EditFlag } from './EditFlag'
import { Swatch } from './HashLine'
import classes from './Variants.module.css'
import { useEditing } from './editing'
import { toneOf } from './variants'

// Variants are the flag's values, the same in every environment.
export function Variants({ at, flag, readOnly }: { at: Place; flag: Flag; readOnly: boolean }) {
  const { draft } = useEditing()
  const [editing, setEditing] = useState(false)
  return (
    <Section
      title="Variants"
      count={flag.variants?.length ?? 0}
      actions={
        !readOnly && (
          <Button size="xs" onClick={() => setEditing(true)}>
            Edit variants
          </Button>
        )
      }
    >
      <ul className={classes.list}>
        {(flag.variants ?? []).map((v) => (
          <li key={v.key} className={classes.variant}>
            <Swatch kind={toneOf(flag, draft.off, v.key)} />
            <span className={classes.key}>
              {v.key}
              {v.name && <span className={classes.name}> {v.name}</span>}
              {v.key === draft.off && <span className={classes.name}> (off)</span>}
            </span>
            <code className={classes.value}>{flag.type === 'string' ? JSON.stringify(v.value) : shortJson(v.value, 400)}</code>
          </li>
        ))}
      </ul>
      {editing && <EditFlag project={at.project} flag={flag} part="variants" onClose={() => setEditing(false)} />}
    </Section>
  )
}

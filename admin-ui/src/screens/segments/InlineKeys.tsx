import { Autocomplete, Button, Textarea } from '@mantine/core'
import { useState } from 'react'
import type { Side } from '../../api/segments'
import { CrossIcon, PlusIcon } from '../../components/icons'
import { plural } from '../../components/time'
import type { Problems } from '../../lib/draft'
import classes from './Segments.module.css'
import { parseKeys } from './keys'

type Keys = Record<string, string[]>
type Row = { attribute: string; text: string }

interface Props {
  side: Side
  value: Keys
  attributes: readonly string[]
  problems: Problems
  onChange: (value: Keys) => void
}

// InlineKeys edits the few keys that stand in the definition: those of everybody who is in, or out, whatever the condition says.
export function InlineKeys({ side, value, attributes, problems, onChange }: Props) {
  // What is typed stays as it is typed; what it says goes to the draft.
  const [rows, setRows] = useState<Row[]>(() => Object.entries(value).map(([attribute, list]) => ({ attribute, text: list.join('\n') })))
  const change = (next: Row[]) => {
    setRows(next)
    const out: Keys = {}
    for (const row of next) {
      const { keys } = parseKeys(row.text)
      if (row.attribute.trim() && keys.length) out[row.attribute.trim()] = [...new Set([...(out[row.attribute.trim()] ?? []), ...keys])]
    }
    onChange(out)
  }
  const word = side === 'include' ? 'in' : 'out'
  return (
    <div>
      <div className={classes.label}>Always {word}</div>
      {rows.map((row, i) => (
        <div key={i} className={classes.inlineRow}>
          <Autocomplete label="Attribute" data={[...attributes]} value={row.attribute} onChange={(attribute) => change(rows.with(i, { ...row, attribute }))} />
          <Textarea
            label="Keys, one a line"
            autosize
            minRows={1}
            maxRows={10}
            value={row.text}
            onChange={(e) => change(rows.with(i, { ...row, text: e.currentTarget.value }))}
            description={`${plural(parseKeys(row.text).keys.length, 'key')}; long lists belong into an environment`}
            error={Object.entries(problems).find(([p]) => p.startsWith(`/${side}/${row.attribute}`))?.[1]}
          />
          <button type="button" className={classes.remove} aria-label={`Remove what is always ${word} by ${row.attribute || 'an attribute'}`} onClick={() => change(rows.toSpliced(i, 1))}>
            <CrossIcon size={14} />
          </button>
        </div>
      ))}
      <Button size="compact-xs" variant="subtle" color="gray" leftSection={<PlusIcon size={12} />} onClick={() => setRows([...rows, { attribute: rows.length === 0 ? 'targetingKey' : '', text: '' }])}>
        Add keys that are always {word}
      </Button>
    </div>
  )
}

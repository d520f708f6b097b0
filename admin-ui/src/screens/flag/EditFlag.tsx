import { Button, Checkbox, NativeSelect, TagsInput, TextInput, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { putFlag } from '../../api/flag'
import { ProblemError } from '../../api/problem'
import { keys } from '../../api/queries'
import { ActDialog } from '../../components/ActDialog'
import { DiffView } from '../../components/DiffView'
import { kindNames } from '../../components/Kind'
import { RemoveButton } from '../../components/condition/ConditionEditor'
import { PlusIcon } from '../../components/icons'
import { toast } from '../../components/toast'
import { diffFlag } from '../../lib/diff'
import { type Problems, below } from '../../lib/draft'
import type { Flag, Json, Variant } from '../../lib/model'
import { parseJson, parseVariantValue, variantText } from '../../lib/values'
import classes from './EditFlag.module.css'
import { JsonField } from './JsonField'

type Props = { project: string; flag: Flag; part: 'details' | 'variants'; onClose: () => void }

/** A variant with the text of its value as it is typed. */
interface Row extends Omit<Variant, 'value'> {
  text: string
  /** Its place before, to know it by when its key is changed. */
  row: number
}

// EditFlag changes what a flag is in all environments: its names and labels, or its variants.
export function EditFlag({ project, flag, part, onClose }: Props) {
  const queries = useQueryClient()
  const [details, setDetails] = useState<Flag>(flag)
  const [rows, setRows] = useState<Row[]>(() => (flag.variants ?? []).map(({ value, ...v }, row) => ({ ...v, text: variantText(flag.type, value), row })))
  const [schema, setSchema] = useState(flag.jsonSchema === undefined ? '' : JSON.stringify(flag.jsonSchema, null, 2))
  const [refused, setRefused] = useState<Problems>({})
  const { next, problems: own } = assemble(flag, details, rows, schema)
  const problems = { ...refused, ...own }
  const lines = diffFlag(flag, next)
  const touch = <T,>(set: (v: T) => void) => (v: T) => {
    setRefused({})
    set(v)
  }
  const act = async (reason: string) => {
    try {
      const done = await putFlag(project, next, flag.version, reason)
      queries.setQueryData(keys.flag(project, flag.key), done.data)
      await queries.invalidateQueries({ queryKey: keys.flag(project, flag.key) })
      toast(part === 'variants' ? 'The variants are saved' : 'The flag is saved')
      onClose()
    } catch (err) {
      if (err instanceof ProblemError) {
        setRefused(err.fields)
        requestAnimationFrame(showFirstProblem)
      }
      throw err
    }
  }
  return (
    <ActDialog
      title={part === 'variants' ? `Variants of ${flag.key}` : `About ${flag.key}`}
      act="Save"
      size={part === 'variants' ? 760 : 'lg'}
      disabled={Object.keys(own).length > 0 || lines.length === 0}
      onAct={act}
      onClose={onClose}
      explain={(err) => (err instanceof ProblemError && err.status === 422 && Object.keys(err.fields).some((p) => p !== '') ? <p className={classes.error}>Not saved: {err.message}</p> : undefined)}
    >
      <p className={classes.scope}>This is for all environments, and takes effect in each at once.</p>
      {part === 'details' ? (
        <Details flag={details} problems={problems} onChange={touch(setDetails)} />
      ) : (
        <>
          <VariantRows type={flag.type} rows={rows} problems={problems} onChange={touch(setRows)} />
          {flag.type === 'json' && (
            <JsonField
              label="JSON schema"
              description="Optional. Every variant’s value has to fulfil it."
              value={schema}
              onChange={touch(setSchema)}
              placeholder='{"type": "object", …}'
              errors={Object.values(below(problems, '/jsonSchema'))}
            />
          )}
        </>
      )}
      {lines.length > 0 && Object.keys(own).length === 0 && <DiffView lines={lines} />}
    </ActDialog>
  )
}

/** Brings what the server refused into sight; the dialog may be long. */
function showFirstProblem() {
  document.querySelector('[role="dialog"] :is([data-problem], [aria-invalid="true"])')?.scrollIntoView({ block: 'center' })
}

/** The flag as it would be sent, and what keeps it from that. */
function assemble(flag: Flag, details: Flag, rows: Row[], schema: string): { next: Flag; problems: Problems } {
  const problems: Problems = {}
  const variants = rows.map(({ text, row: _, ...v }, i): Variant => {
    const parsed = parseVariantValue(flag.type, text)
    if (!parsed.ok) problems[`/variants/${i}/value`] = parsed.error
    if (v.key === '') problems[`/variants/${i}/key`] = 'a key is needed'
    else if (rows.some((other, j) => j < i && other.key === v.key)) problems[`/variants/${i}/key`] = 'this key is there twice'
    return { ...v, value: parsed.ok ? parsed.value : '' }
  })
  let jsonSchema: Json | undefined
  if (schema.trim() !== '') {
    const parsed = parseJson(schema)
    if (parsed.ok) jsonSchema = parsed.value
    else problems['/jsonSchema'] = parsed.error
  }
  const { jsonSchema: _, ...rest } = details
  return { next: { ...rest, variants, ...(jsonSchema === undefined ? {} : { jsonSchema }) }, problems }
}

function Details({ flag, problems, onChange }: { flag: Flag; problems: Problems; onChange: (f: Flag) => void }) {
  return (
    <>
      <TextInput data-autofocus label="Name" value={flag.name ?? ''} onChange={(e) => onChange({ ...flag, name: e.currentTarget.value })} error={problems['/name']} />
      <Textarea label="Description" autosize={false} rows={3} value={flag.description ?? ''} onChange={(e) => onChange({ ...flag, description: e.currentTarget.value })} error={problems['/description']} />
      <div className={classes.pair}>
        <NativeSelect label="Kind" data={Object.entries(kindNames).map(([value, label]) => ({ value, label }))} value={flag.kind ?? 'release'} onChange={(e) => onChange({ ...flag, kind: e.currentTarget.value })} error={problems['/kind']} />
        <TextInput label="Owner" value={flag.owner ?? ''} onChange={(e) => onChange({ ...flag, owner: e.currentTarget.value })} error={problems['/owner']} />
      </div>
      <TagsInput label="Tags" value={flag.tags ?? []} onChange={(tags) => onChange({ ...flag, tags })} error={Object.values(below(problems, '/tags'))[0]} comboboxProps={{ transitionProps: { duration: 0 } }} />
      <Checkbox
        label="Visible to client tokens"
        description="Browsers and apps may ask for its value. Its rules they never see."
        checked={flag.clientVisible ?? false}
        onChange={(e) => onChange({ ...flag, clientVisible: e.currentTarget.checked })}
      />
    </>
  )
}

function VariantRows({ type, rows, problems, onChange }: { type: Flag['type']; rows: Row[]; problems: Problems; onChange: (rows: Row[]) => void }) {
  const set = (i: number, change: Partial<Row>) => onChange(rows.map((r, j) => (j === i ? { ...r, ...change } : r)))
  return (
    <>
      {problems['/variants'] !== undefined && <p className={classes.error}>{problems['/variants']}</p>}
      {rows.map((v, i) => (
        <fieldset key={v.row} className={classes.variant}>
          <legend className="sr-only">Variant {v.key || i + 1}</legend>
          <div className={classes.row}>
            <TextInput data-autofocus={i === 0 || undefined} label="Key" size="xs" value={v.key} onChange={(e) => set(i, { key: e.currentTarget.value })} error={problems[`/variants/${i}/key`]} spellCheck={false} autoCapitalize="off" />
            <TextInput label="Name" size="xs" value={v.name ?? ''} onChange={(e) => set(i, { name: e.currentTarget.value })} error={problems[`/variants/${i}/name`]} />
            {rows.length > 1 && <RemoveButton label={`Remove variant ${v.key}`} onClick={() => onChange(rows.toSpliced(i, 1))} />}
          </div>
          <ValueField type={type} label={`Value of ${v.key || 'the new variant'}`} text={v.text} errors={valueErrors(problems, i)} onChange={(text) => set(i, { text })} />
        </fieldset>
      ))}
      <div>
        <Button size="xs" leftSection={<PlusIcon size={14} />} onClick={() => onChange([...rows, { key: '', text: type === 'boolean' ? 'true' : type === 'json' ? '{}' : '', row: Math.max(-1, ...rows.map((r) => r.row)) + 1 }])}>
          Add a variant
        </Button>
      </div>
    </>
  )
}

/** What is wrong with a value, each with its place in it. */
function valueErrors(problems: Problems, i: number): string[] {
  return Object.entries(below(problems, `/variants/${i}/value`)).map(([at, detail]) => (at ? `${at.slice(1).replaceAll('/', '.')}: ${detail}` : detail))
}

function ValueField({ type, label, text, errors, onChange }: { type: Flag['type']; label: string; text: string; errors: string[]; onChange: (text: string) => void }) {
  if (type === 'json') return <JsonField label={label} hidden value={text} onChange={onChange} errors={errors} />
  if (type === 'boolean') return <NativeSelect aria-label={label} size="xs" data={['true', 'false']} value={text} onChange={(e) => onChange(e.currentTarget.value)} error={errors[0]} />
  return <TextInput aria-label={label} size="xs" value={text} onChange={(e) => onChange(e.currentTarget.value)} error={errors[0]} classNames={{ input: 'mono' }} inputMode={type === 'number' ? 'decimal' : 'text'} />
}

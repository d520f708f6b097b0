import { Autocomplete, Checkbox, NativeSelect, TagsInput, TextInput } from '@mantine/core'
import { useId, useState } from 'react'
import type { Clause, Condition, Json, Operator } from '../../lib/model'
import { operatorName } from '../../lib/sentence'
import { type OperandType, operandTypes, parseOperand, takesCase, typeOfValues } from '../../lib/values'
import classes from './Condition.module.css'
import { RemoveButton, type Surroundings } from './ConditionEditor'
import { useProblem, useProblemBelow } from './problems'

const groups: { group: string; ops: Operator[] }[] = [
  { group: 'Text', ops: ['in', 'contains', 'startsWith', 'endsWith', 'matches'] },
  { group: 'Number', ops: ['lt', 'lte', 'gt', 'gte', 'modulo'] },
  { group: 'Time', ops: ['before', 'after'] },
  { group: 'Version', ops: ['semverEq', 'semverLt', 'semverLte', 'semverGt', 'semverGte', 'semverTilde', 'semverCaret'] },
  { group: 'Network', ops: ['inCidr'] },
  { group: 'Presence', ops: ['exists'] },
]
const choices = groups.map(({ group, ops }) => ({
  group,
  items: ops.flatMap((op) => [
    { value: op, label: operatorName(op) },
    { value: `!${op}`, label: operatorName(op, true) },
  ]),
}))

type Props = { clause: Clause; pointer: string; around: Surroundings; onChange: (next: Condition) => void; onRemove: () => void }

// ClauseEditor is one comparison of an attribute: what is looked at, how, and with what.
export function ClauseEditor({ clause, pointer, around, onChange, onRemove }: Props) {
  const attributeProblem = useProblem(`${pointer}/attribute`)
  const opProblem = useProblem(`${pointer}/op`, `${pointer}/negate`, `${pointer}/ignoreCase`, pointer)
  const chooseOperator = (choice: string) => {
    const negate = choice.startsWith('!')
    const op = (negate ? choice.slice(1) : choice) as Operator
    const { values: _values, ignoreCase, negate: _negate, ...rest } = clause
    const kept = keptValues(clause, op)
    onChange({ ...rest, op, ...(op === 'exists' ? {} : { values: kept }), ...(ignoreCase && takesCase(op) ? { ignoreCase } : {}), ...(negate ? { negate } : {}) })
  }
  return (
    <div className={classes.clause}>
      <Autocomplete
        aria-label="Attribute"
        placeholder="attribute"
        className={classes.attribute}
        size="xs"
        data={[...around.attributes]}
        value={clause.attribute}
        onChange={(attribute) => onChange({ ...clause, attribute })}
        error={attributeProblem}
        spellCheck={false}
        autoCapitalize="off"
        comboboxProps={{ transitionProps: { duration: 0 } }}
      />
      <NativeSelect
        aria-label={`How ${clause.attribute || 'the attribute'} is compared`}
        className={classes.operator}
        size="xs"
        data={choices}
        value={`${clause.negate ? '!' : ''}${clause.op}`}
        onChange={(event) => chooseOperator(event.currentTarget.value)}
        error={opProblem}
      />
      <Values clause={clause} pointer={`${pointer}/values`} onChange={(values) => onChange({ ...clause, values })} />
      {takesCase(clause.op) && (
        <Checkbox
          size="xs"
          className={classes.case}
          label="any case"
          checked={clause.ignoreCase ?? false}
          onChange={(event) => {
            const { ignoreCase: _, ...rest } = clause
            onChange(event.currentTarget.checked ? { ...rest, ignoreCase: true } : rest)
          }}
        />
      )}
      <RemoveButton label={`Remove the condition on ${clause.attribute || 'the attribute'}`} onClick={onRemove} />
    </div>
  )
}

/** Values that mean something under another operator too are kept. */
function keptValues(clause: Clause, op: Operator): Json[] {
  const same = operandTypes(clause.op).some((t) => operandTypes(op).includes(t))
  return same && clause.op !== 'modulo' && op !== 'modulo' ? (clause.values ?? []) : []
}

const placeholders: Record<OperandType, string> = {
  text: 'value, Enter',
  number: 'number, Enter',
  boolean: 'true or false',
  instant: '2026-11-20T14:02:00Z',
  version: '1.4.0',
  network: '10.0.0.0/8',
  pattern: '^user-\\d+$',
}

function Values({ clause, pointer, onChange }: { clause: Clause; pointer: string; onChange: (values: Json[]) => void }) {
  const problem = useProblemBelow(pointer)
  const [chosen, choose] = useState<OperandType>()
  const [search, setSearch] = useState('')
  const id = useId()
  const types = operandTypes(clause.op)
  if (types.length === 0) return <span className={classes.values} />
  if (clause.op === 'modulo') return <Modulo values={clause.values ?? []} problem={problem} onChange={onChange} />
  const type = chosen && types.includes(chosen) ? chosen : typeOfValues(clause.op, clause.values)
  const values = clause.values ?? []
  const texts = values.map((v) => (typeof v === 'string' ? v : JSON.stringify(v)))
  const take = (next: string[]) =>
    onChange(
      next.map((text) => {
        const place = texts.indexOf(text)
        const old = values[place]
        if (old !== undefined) return old
        const parsed = parseOperand(type, text)
        return parsed.ok ? parsed.value : text
      }),
    )
  return (
    <div className={classes.values}>
      {types.length > 1 && (
        <NativeSelect
          aria-label="Type of the values"
          size="xs"
          className={classes.type}
          value={type}
          data={[
            { value: 'text', label: 'text' },
            { value: 'number', label: 'number' },
            { value: 'boolean', label: 'true/false' },
          ]}
          onChange={(event) => choose(event.currentTarget.value as OperandType)}
        />
      )}
      <TagsInput
        id={id}
        aria-label={`Values that ${clause.attribute || 'the attribute'} is compared with`}
        size="xs"
        className={classes.tags}
        value={texts}
        onChange={take}
        searchValue={search}
        onSearchChange={setSearch}
        onBlur={() => {
          if (search.trim() !== '' && !texts.includes(search.trim())) take([...texts, search.trim()])
          setSearch('')
        }}
        data={type === 'boolean' ? ['true', 'false'] : []}
        splitChars={clause.op === 'in' || type === 'version' || type === 'network' ? [','] : []}
        placeholder={values.length ? '' : placeholders[type]}
        error={problem}
        spellCheck={false}
        autoCapitalize="off"
        comboboxProps={{ transitionProps: { duration: 0 }, disabled: type !== 'boolean' }}
      />
    </div>
  )
}

function Modulo({ values, problem, onChange }: { values: Json[]; problem: string | undefined; onChange: (values: Json[]) => void }) {
  const [divisor = '', remainder = ''] = values
  const number = (text: string): Json => {
    const parsed = parseOperand('number', text)
    return parsed.ok ? parsed.value : text
  }
  const show = (v: Json) => (typeof v === 'string' ? v : JSON.stringify(v))
  return (
    <div className={classes.values}>
      <TextInput aria-label="Divisor" placeholder="divisor" size="xs" inputMode="numeric" value={show(divisor)} onChange={(e) => onChange([number(e.currentTarget.value), remainder])} error={problem} />
      <span className={classes.word}>leaves</span>
      <TextInput aria-label="Remainder" placeholder="remainder" size="xs" inputMode="numeric" value={show(remainder)} onChange={(e) => onChange([divisor, number(e.currentTarget.value)])} />
    </div>
  )
}

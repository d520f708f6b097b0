import { MultiSelect, NativeSelect, Select } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { flagChoicesQuery, flagOf } from '../../api/flag'
import { segmentsQuery } from '../../api/segments'
import type { Condition } from '../../lib/model'
import { flagLeaf, segmentLeaf } from '../../lib/tree'
import classes from './Condition.module.css'
import { RemoveButton, type Surroundings } from './ConditionEditor'
import { useProblem, useProblemBelow } from './problems'

type LeafProps = { pointer: string; around: Surroundings; onChange: (next: Condition) => void; onRemove: () => void }

export function SegmentEditor({ segment, negate, pointer, around, onChange, onRemove }: LeafProps & { segment: string; negate: boolean }) {
  const problem = useProblem(`${pointer}/segment`, pointer)
  const { data: segments = [] } = useQuery(segmentsQuery(around.project))
  const keys = segments.map((s) => s.key)
  return (
    <div className={classes.clause}>
      <NativeSelect
        aria-label="In the segment or not"
        size="xs"
        className={classes.leaf}
        value={negate ? 'not' : 'in'}
        data={[
          { value: 'in', label: 'in segment' },
          { value: 'not', label: 'not in segment' },
        ]}
        onChange={(event) => onChange(segmentLeaf(segment, event.currentTarget.value === 'not'))}
      />
      <Select
        aria-label="Segment"
        placeholder={keys.length ? 'choose a segment' : 'there is no segment yet'}
        size="xs"
        className={classes.named}
        searchable
        data={segment === '' || keys.includes(segment) ? keys : [segment, ...keys]}
        value={segment || null}
        onChange={(key) => onChange(segmentLeaf(key ?? '', negate))}
        error={problem}
        nothingFoundMessage="No such segment"
      />
      <RemoveButton label={`Remove the condition on segment ${segment}`} onClick={onRemove} />
    </div>
  )
}

type FlagProps = LeafProps & { flag: string; variants: string[]; negate: boolean }

export function FlagEditor({ flag, variants, negate, pointer, around, onChange, onRemove }: FlagProps) {
  const problem = useProblem(pointer)
  return (
    <div className={classes.clause}>
      <span className={classes.word}>flag</span>
      <FlagChoice project={around.project} without={around.flag} value={flag} pointer={`${pointer}/flag`} onChange={(key) => onChange(flagLeaf(key, [], negate))} />
      <NativeSelect
        aria-label="Serves or does not serve"
        size="xs"
        className={classes.leaf}
        value={negate ? 'not' : 'is'}
        data={[
          { value: 'is', label: 'serves' },
          { value: 'not', label: 'does not serve' },
        ]}
        onChange={(event) => onChange(flagLeaf(flag, variants, event.currentTarget.value === 'not'))}
        error={problem}
      />
      <VariantsChoice project={around.project} flag={flag} value={variants} pointer={`${pointer}/variants`} onChange={(next) => onChange(flagLeaf(flag, next, negate))} />
      <RemoveButton label={`Remove the condition on flag ${flag}`} onClick={onRemove} />
    </div>
  )
}

/** Chooses another flag, found as one types. */
export function FlagChoice({ project, without, value, pointer, onChange }: { project: string; without?: string | undefined; value: string; pointer: string; onChange: (key: string) => void }) {
  const problem = useProblem(pointer)
  const [search, setSearch] = useState(value)
  const [q] = useDebouncedValue(search === value ? '' : search, 200)
  const { data: flags = [] } = useQuery(flagChoicesQuery(project, q))
  const keys = flags.map((f) => f.key).filter((key) => key !== without)
  return (
    <Select
      aria-label="Flag"
      placeholder="choose a flag"
      size="xs"
      className={classes.named}
      searchable
      searchValue={search}
      onSearchChange={setSearch}
      data={value === '' || keys.includes(value) ? keys : [value, ...keys]}
      value={value || null}
      onChange={(key) => onChange(key ?? '')}
      error={problem}
      nothingFoundMessage="No such flag"
    />
  )
}

/** Chooses among the variants of a flag. */
export function VariantsChoice({ project, flag, value, pointer, onChange }: { project: string; flag: string; value: string[]; pointer: string; onChange: (variants: string[]) => void }) {
  const problem = useProblemBelow(pointer)
  const { data } = useQuery({ ...flagOf(project, flag), enabled: flag !== '' })
  const keys = (data?.variants ?? []).map((v) => v.key)
  return (
    <MultiSelect
      aria-label={`Variants of ${flag || 'the flag'}`}
      placeholder={value.length ? '' : 'variants'}
      size="xs"
      className={classes.named}
      data={[...new Set([...keys, ...value])]}
      value={value}
      onChange={onChange}
      disabled={flag === ''}
      error={problem}
      comboboxProps={{ transitionProps: { duration: 0 } }}
    />
  )
}

import { Button, Popover, Select, TextInput } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import type { FlagsSearch } from '../../app/search'
import { kindNames } from '../../components/Kind'
import { CrossIcon, SearchIcon } from '../../components/icons'
import classes from './FlagFilters.module.css'
import { stateNames, states, typeNames } from './filter'

type FiltersProps = {
  search: FlagsSearch
  onChange: (part: FlagsSearch) => void
  // q is what stands in the field; the URL follows a moment later.
  q: string
  onQ: (q: string) => void
  tags: readonly string[]
  owners: readonly string[]
  // The filters are behind a button, where there is no room for them.
  folded: boolean
  // "12 of 5,000 flags"
  found: string
}

const names = ['tag', 'kind', 'type', 'owner', 'state', 'archived'] as const
const none: FlagsSearch = { tag: undefined, kind: undefined, type: undefined, owner: undefined, state: undefined, archived: undefined }

export function FlagFilters({ search, onChange, q, onQ, tags, owners, folded, found }: FiltersProps) {
  const field = useRef<HTMLInputElement>(null)
  useSlash(field)
  const used = names.filter((name) => search[name] !== undefined).length
  const selects = <Selects search={search} onChange={onChange} tags={tags} owners={owners} />
  return (
    <div className={classes.filters} role="search" aria-label="Flags">
      <TextInput
        ref={field}
        className={classes.search}
        size="sm"
        type="search"
        aria-label="Find flags by key, name, description, tag or owner"
        placeholder={folded ? `Find in ${found}` : 'Find flags by key, name, tag, owner   ( / )'}
        leftSection={<SearchIcon size={16} />}
        value={q}
        onChange={(event) => onQ(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onQ('')
        }}
      />
      {folded ? (
        <Popover position="bottom-end" width={280} trapFocus withinPortal>
          <Popover.Target>
            <Button>{used === 0 ? 'Filter' : `Filter (${used})`}</Button>
          </Popover.Target>
          <Popover.Dropdown className={classes.stack}>{selects}</Popover.Dropdown>
        </Popover>
      ) : (
        selects
      )}
      {(used > 0 || q !== '') && (
        <Button
          variant="subtle"
          color="gray"
          leftSection={<CrossIcon size={14} />}
          onClick={() => {
            onQ('')
            onChange(none)
          }}
        >
          Clear
        </Button>
      )}
      <span className={folded && used === 0 && q === '' ? 'sr-only' : classes.found} role="status">
        {found}
      </span>
    </div>
  )
}

type SelectsProps = Pick<FiltersProps, 'search' | 'onChange' | 'tags' | 'owners'>

function Selects({ search, onChange, tags, owners }: SelectsProps) {
  const of = (name: (typeof names)[number], label: string, data: { value: string; label: string }[], searchable = false) => (
    <Select
      className={classes.select}
      size="sm"
      aria-label={label}
      placeholder={label}
      data={data}
      value={search[name] ?? null}
      onChange={(value) => onChange({ [name]: value ?? undefined })}
      clearable
      searchable={searchable}
      data-used={search[name] !== undefined || undefined}
      comboboxProps={{ withinPortal: false, width: 'max-content', position: 'bottom-start' }}
      nothingFoundMessage="Nothing found"
    />
  )
  const plain = (list: readonly string[]) => list.map((value) => ({ value, label: value }))
  const named = (list: Record<string, string>) => Object.entries(list).map(([value, label]) => ({ value, label }))
  return (
    <>
      {of('tag', 'Tag', plain(tags), true)}
      {of('kind', 'Kind', named(kindNames))}
      {of('type', 'Type', named(typeNames))}
      {of('owner', 'Owner', plain(owners), true)}
      {of('state', 'State', states.map((value) => ({ value, label: stateNames[value] })))}
      <Button aria-pressed={search.archived !== undefined} className={classes.archived} onClick={() => onChange({ archived: search.archived === undefined ? '1' : undefined })}>
        Archived
      </Button>
    </>
  )
}

// useSlash: the key / goes to the search field, unless one is typing already.
function useSlash(field: React.RefObject<HTMLInputElement | null>) {
  useEffect(() => {
    const press = (event: globalThis.KeyboardEvent) => {
      const on = event.target
      const typing = on instanceof HTMLElement && (on.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName))
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      field.current?.focus()
      field.current?.select()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [field])
}

// useTyped keeps what is typed and tells the URL when a moment has passed; when the URL changes by itself (back), the field follows.
export function useTyped(inURL: string, tell: (q: string) => void): [string, (q: string) => void] {
  const [q, setQ] = useState(inURL)
  const told = useRef(inURL)
  useEffect(() => {
    if (inURL === told.current) return
    told.current = inURL
    setQ(inURL)
  }, [inURL])
  useEffect(() => {
    if (q === told.current) return
    const id = window.setTimeout(() => {
      told.current = q
      tell(q)
    }, 250)
    return () => window.clearTimeout(id)
  })
  return [q, setQ]
}

import { Button, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import type { Schemas } from '../../api/client'
import { keys } from '../../api/queries'
import { type Side, editList, listQuery, listedQuery } from '../../api/segments'
import { asProblem } from '../../api/problem'
import { useMay } from '../../app/rights'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { StateMark } from '../../components/StateMark'
import { CrossIcon, SearchIcon } from '../../components/icons'
import { count, plural } from '../../components/time'
import { toast } from '../../components/toast'
import { BulkDialog } from './BulkDialog'
import classes from './Segments.module.css'

// So many keys are drawn at most; who looks for one among more searches for it.
const most = 500

export interface Place {
  project: string
  segment: string
  environment: string
  side: Side
}

// List is one side's keys in an environment. A million of them are counted, searched and edited, but not drawn.
export function List({ list, ...at }: Place & { list: Schemas['List'] | undefined }) {
  const [open, setOpen] = useState(false)
  const [editing, setEditing] = useState<'add' | 'remove'>()
  const id = useId()
  const n = list?.count ?? 0
  const may = useMay('editor')
  return (
    <section className={classes.list} aria-labelledby={id}>
      <h3 id={id}>
        {at.side === 'include' ? 'Included' : 'Excluded'} <b>{plural(n, 'key')}</b>
      </h3>
      <p className={classes.note}>
        {at.side === 'include' ? 'Whoever is listed is in, whatever the condition says.' : 'Whoever is listed is out, unless included.'}
        {n > 0 && (
          <>
            {' '}
            Compared with <code className="mono">{list?.attribute || 'targetingKey'}</code>.
          </>
        )}
      </p>
      {n > 0 && <Search {...at} />}
      <div className={classes.acts}>
        {may && (
          <Button size="xs" onClick={() => setEditing('add')}>
            Add keys…
          </Button>
        )}
        {may && n > 0 && (
          <Button size="xs" onClick={() => setEditing('remove')}>
            Remove keys…
          </Button>
        )}
        {n > 0 && (
          <Button size="xs" variant="subtle" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? 'Hide the keys' : 'Show the keys'}
          </Button>
        )}
      </div>
      {open && n > 0 && <Keys at={at} />}
      {editing && <BulkDialog at={at} list={list} edit={editing} onClose={() => setEditing(undefined)} />}
    </section>
  )
}

function Search(at: Place) {
  const [text, setText] = useState('')
  const [asked, setAsked] = useState('')
  const key = asked.trim()
  const may = useMay('editor')
  const found = useQuery({ ...listedQuery(at.project, at.segment, at.environment, at.side, key), enabled: key !== '' })
  return (
    <form
      className={classes.search}
      onSubmit={(e) => {
        e.preventDefault()
        setAsked(text)
      }}
    >
      <div className={classes.searchRow}>
        <TextInput
          aria-label={`Look for a key among the ${at.side === 'include' ? 'included' : 'excluded'}`}
          placeholder="Is this key in it?"
          leftSection={<SearchIcon size={16} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          onBlur={() => setAsked(text)}
        />
        <Button type="submit">Look</Button>
      </div>
      {key !== '' && (
        <div role="status" className={classes.found}>
          {found.isPending && <span className={classes.dim}>Looking …</span>}
          {found.isError && <ProblemAlert error={found.error} retry={() => void found.refetch()} />}
          {found.data !== undefined && (
            <>
              <StateMark shape={found.data ? 'full' : 'ring'}>{found.data ? 'listed' : 'not listed'}</StateMark>
              <code className={classes.key}>{key}</code>
              {may && <EditOne at={at} listKey={key} edit={found.data ? 'remove' : 'add'} />}
            </>
          )}
        </div>
      )}
    </form>
  )
}

// useEditOne changes one key, and offers the way back.
function useEditOne(at: Place) {
  const queries = useQueryClient()
  const write = async (edit: 'add' | 'remove', key: string, reason: string) => {
    await editList(at, { [edit]: [key] }, reason)
    await queries.invalidateQueries({ queryKey: keys.segment(at.project, at.segment) })
  }
  return async (edit: 'add' | 'remove', key: string) => {
    try {
      await write(edit, key, '')
      toast(`${edit === 'add' ? 'Added' : 'Removed'} ${key}`, { undo: () => write(edit === 'add' ? 'remove' : 'add', key, 'undo') })
    } catch (err) {
      toast(asProblem(err).message, { tone: 'bad' })
    }
  }
}

function EditOne({ at, listKey, edit }: { at: Place; listKey: string; edit: 'add' | 'remove' }) {
  const change = useEditOne(at)
  const [busy, setBusy] = useState(false)
  return (
    <Button
      size="compact-sm"
      loading={busy}
      onClick={() => {
        setBusy(true)
        void change(edit, listKey).finally(() => setBusy(false))
      }}
    >
      {edit === 'add' ? 'Add it' : 'Remove it'}
    </Button>
  )
}

function Keys({ at }: { at: Place }) {
  const list = useInfiniteQuery(listQuery(at.project, at.segment, at.environment, at.side))
  const change = useEditOne(at)
  const may = useMay('editor')
  const items = list.data?.pages.flatMap((p) => p.items) ?? []
  const total = list.data?.pages[0]?.total ?? 0
  if (list.isPending) return <RowsSkeleton rows={5} label="Loading the keys" />
  return (
    <>
      {list.isError && <ProblemAlert error={list.error} retry={() => void list.refetch()} />}
      <ul className={classes.keys} aria-label="Keys" tabIndex={0}>
        {items.slice(0, most).map((key) => (
          <li key={key}>
            <code>{key}</code>
            {may && (
              <button type="button" className={classes.remove} aria-label={`Remove ${key}`} onClick={() => void change('remove', key)}>
                <CrossIcon size={12} />
              </button>
            )}
          </li>
        ))}
      </ul>
      <div className={classes.acts}>
        <span className={classes.dim}>
          {count(Math.min(items.length, most))} of {count(total)}, in no order
        </span>
        {list.hasNextPage && items.length < most && (
          <Button size="compact-sm" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show more
          </Button>
        )}
        {items.length >= most && total > most && <span className={classes.dim}>Look for one above to find the others.</span>}
      </div>
    </>
  )
}

import { Autocomplete, Button, FileButton, Modal, Textarea } from '@mantine/core'
import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { type ClipboardEvent, useEffect, useMemo, useRef, useState } from 'react'
import type { Schemas } from '../../api/client'
import { keys as queryKeys } from '../../api/queries'
import { editList, segmentEnvironmentQuery } from '../../api/segments'
import actClasses from '../../components/ActDialog.module.css'
import { ProblemAlert } from '../../components/ProblemAlert'
import { ReasonField, reasonError } from '../../components/ReasonField'
import { count, plural } from '../../components/time'
import { toast } from '../../components/toast'
import type { Place } from './List'
import classes from './Segments.module.css'
import { type Progress, sendAll } from './bulk'
import { type ParsedKeys, chunkKeys, parseKeys } from './keys'
import { byShard } from './shard'

interface Props {
  at: Place
  list: Schemas['List'] | undefined
  edit: 'add' | 'remove'
  onClose: () => void
}

// A text that is larger than this is kept beside the field and only counted: a field with a million lines would stand still.
const largest = 100_000

type Source = { kind: 'typed'; text: string } | { kind: 'held'; name: string; text: string }

// BulkDialog adds keys to a list or takes them from it: pasted, typed, or out of a file.
export function BulkDialog({ at, list, edit, onClose }: Props) {
  const queries = useQueryClient()
  const [source, setSource] = useState<Source>({ kind: 'typed', text: '' })
  const [reason, setReason] = useState('')
  const [attribute, setAttribute] = useState(list?.attribute || 'targetingKey')
  const [progress, setProgress] = useState<Progress>({ chunks: 0, keys: 0 })
  const [stop, setStop] = useState<AbortController>()
  const [error, setError] = useState<unknown>()
  const parsed = useMemo(() => parseKeys(source.text), [source.text])
  const parts = useMemo(() => chunkKeys(parsed.keys).length, [parsed])
  const [chunks, setChunks] = useState<readonly (readonly string[])[]>()
  const begun = progress.chunks > 0
  const empty = (list?.count ?? 0) === 0
  useEffect(() => () => stop?.abort(), [stop])

  const take = (next: Source) => {
    setSource(next)
    setChunks(undefined)
    setProgress({ chunks: 0, keys: 0 })
    setError(undefined)
  }
  const run = async () => {
    const signal = new AbortController()
    setStop(signal)
    setError(undefined)
    const body = (keys: readonly string[]) => ({ [edit]: keys, ...(edit === 'add' && empty ? { attribute: attribute.trim() } : {}) })
    const send = (keys: readonly string[], s: AbortSignal) => editList(at, body(keys), reason, s)
    try {
      const all = chunks ?? (await planned(queries, at, list, parsed.keys, (keys) => send(keys, signal.signal)))
      setChunks(all)
      await sendAll({ chunks: all, send, told: setProgress }, progress.chunks, signal.signal)
      toast(`${edit === 'add' ? 'Added' : 'Removed'} ${plural(parsed.keys.length, 'key')}`)
      onClose()
    } catch (err) {
      if (!signal.signal.aborted) setError(err)
    } finally {
      setStop(undefined)
      void queries.invalidateQueries({ queryKey: queryKeys.segment(at.project, at.segment) })
    }
  }
  const word = edit === 'add' ? 'Add' : 'Remove'
  const where = `${at.side === 'include' ? 'included' : 'excluded'} keys of ${at.segment} in ${at.environment}`
  return (
    <Modal opened onClose={onClose} title={`${word} ${where}`} size="lg" closeOnClickOutside={!stop} closeButtonProps={{ 'aria-label': 'Close' }} classNames={{ title: actClasses.title }}>
      <form
        className={actClasses.form}
        onSubmit={(e) => {
          e.preventDefault()
          if (!stop && parsed.keys.length > 0 && reasonError(reason) === undefined) void run()
        }}
      >
        <Input source={source} disabled={stop !== undefined || begun} onChange={take} />
        <Summary parsed={parsed} edit={edit} requests={parts} />
        {edit === 'add' && empty && (
          <Autocomplete
            label="Attribute"
            description="What of a context the keys are compared with. It cannot change while the list has keys."
            data={['targetingKey']}
            value={attribute}
            onChange={setAttribute}
            disabled={begun || stop !== undefined}
          />
        )}
        <ReasonField value={reason} onChange={setReason} label="Reason (optional)" placeholder="For whoever reads the log" disabled={begun || stop !== undefined} />
        {(stop || begun) && (
          <div role="status">
            <progress className={classes.progress} max={Math.max(1, parsed.keys.length)} value={progress.keys} aria-label="Keys sent" />
            {count(progress.keys)} of {plural(parsed.keys.length, 'key')}
            {!stop && progress.chunks < (chunks?.length ?? 0) && '. Those stay as they are; it can go on from here.'}
          </div>
        )}
        {error !== undefined && <ProblemAlert error={error} />}
        <div className={actClasses.acts}>
          {stop ? (
            <Button onClick={() => stop.abort()}>Stop</Button>
          ) : (
            <>
              <Button onClick={onClose}>{begun ? 'Close' : 'Cancel'}</Button>
              <Button type="submit" variant={edit === 'add' ? 'primary' : 'danger'} disabled={parsed.keys.length === 0 || (edit === 'add' && empty && !attribute.trim())}>
                {begun ? 'Go on' : `${word} ${parsed.keys.length > 0 ? plural(parsed.keys.length, 'key') : 'keys'}`}
              </Button>
            </>
          )}
        </div>
      </form>
    </Modal>
  )
}

// planned cuts keys into requests, shard by shard when there are several. A list that is new gets its salt, on which shards depend, with its first key.
async function planned(queries: QueryClient, at: Place, list: Schemas['List'] | undefined, keys: readonly string[], send: (keys: readonly string[]) => Promise<unknown>) {
  const plain = chunkKeys(keys)
  if (plain.length < 2) return plain
  let salt = list?.salt
  if (!salt) {
    await send(keys.slice(0, 1))
    const now = await queries.fetchQuery({ ...segmentEnvironmentQuery(at.project, at.segment, at.environment), staleTime: 0 })
    salt = now[at.side]?.salt ?? ''
  }
  return chunkKeys(byShard(salt, keys))
}

function Input({ source, disabled, onChange }: { source: Source; disabled: boolean; onChange: (source: Source) => void }) {
  const reset = useRef<() => void>(null)
  const read = async (file: File | null) => {
    if (file) onChange({ kind: 'held', name: file.name, text: await file.text() })
    reset.current?.()
  }
  const paste = (event: ClipboardEvent) => {
    const text = event.clipboardData.getData('text')
    if (text.length <= largest) return
    event.preventDefault()
    onChange({ kind: 'held', name: 'What you pasted', text })
  }
  if (source.kind === 'held') {
    return (
      <div className={classes.held}>
        <span>
          <b>{source.name}</b>, {count(Math.ceil(source.text.length / 1024))} KiB
        </span>
        {!disabled && (
          <Button size="compact-sm" onClick={() => onChange({ kind: 'typed', text: '' })}>
            Take another
          </Button>
        )}
      </div>
    )
  }
  return (
    <div>
      <Textarea
        label="Keys, one a line"
        placeholder={'user-17\nuser-18'}
        autosize
        minRows={6}
        maxRows={12}
        classNames={{ input: 'mono' }}
        spellCheck={false}
        value={source.text}
        onChange={(e) => onChange({ kind: 'typed', text: e.currentTarget.value })}
        onPaste={paste}
        disabled={disabled}
        data-autofocus
      />
      <div className={classes.file}>
        <span className={classes.dim}>or</span>
        <FileButton resetRef={reset} onChange={(file) => void read(file)} accept="text/plain,text/csv,.txt,.csv">
          {(props) => (
            <Button {...props} size="compact-sm" disabled={disabled}>
              Choose a file…
            </Button>
          )}
        </FileButton>
        <span className={classes.dim}>of up to a million lines</span>
      </div>
    </div>
  )
}

function Summary({ parsed, edit, requests }: { parsed: ParsedKeys; edit: 'add' | 'remove'; requests: number }) {
  if (parsed.keys.length === 0 && parsed.badCount === 0) return null
  return (
    <div className={classes.summary} role="status">
      <p>
        <b>{plural(parsed.keys.length, 'key')}</b>
        {parsed.duplicates > 0 && `, ${plural(parsed.duplicates, 'line')} twice`}
        {requests > 1 && `, sent in ${count(requests)} parts, each a change in the log`}. {edit === 'add' ? 'Those that are listed already change nothing.' : 'Those that are not listed change nothing.'}
      </p>
      {parsed.badCount > 0 && (
        <>
          <p className={classes.wrong}>{plural(parsed.badCount, 'line is', 'lines are')} left out:</p>
          <ul className={classes.bad}>
            {parsed.bad.map((b) => (
              <li key={b.line}>
                line {count(b.line)}: <code>{b.text}</code> {b.why}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  )
}

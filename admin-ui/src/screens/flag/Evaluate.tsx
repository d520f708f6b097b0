import { Autocomplete, Button, Skeleton } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { type Place, type TargetingView, evaluate, preview } from '../../api/flag'
import { keys } from '../../api/queries'
import { segmentsQuery } from '../../api/segments'
import { Choice } from '../../components/Choice'
import { Command } from '../../components/Command'
import { makeStore, useStore } from '../../components/external'
import { ProblemAlert } from '../../components/ProblemAlert'
import { type Asked, type Context, asked, evaluateCommand, fieldText, fieldValue, get, parseContext, set } from '../../lib/context'
import { placeName, shortJson } from '../../lib/diff'
import type { Flag, Json } from '../../lib/model'
import { resultText } from '../../lib/trace'
import classes from './Evaluate.module.css'
import { JsonField } from './JsonField'
import type { Draft } from './Targeting'
import { TraceView } from './TraceView'

// The context that was tried last stays while the page does. It holds data about people, so it goes neither into the URL nor into storage.
const tried = makeStore<{ text: string; form: boolean }>({ text: '{}', form: true })

type Props = { at: Place; flag: Flag; targeting: TargetingView; edited: Draft | undefined }

// Evaluate asks what a context gets, and shows how the answer came about, step by step.
export function Evaluate({ at, flag, targeting, edited }: Props) {
  const { text, form } = useStore(tried)
  const parsed = useMemo(() => parseContext(text), [text])
  const context = parsed.ok ? parsed.value : undefined
  const write = (next: Context) => tried.set({ ...tried.get(), text: JSON.stringify(next, null, 2) })
  return (
    <div className={classes.evaluate}>
      <section className={classes.context} aria-label="Context">
        <div className={classes.head}>
          <h2 className={classes.title}>Context</h2>
          <Choice
            label="How to enter the context"
            value={form ? 'form' : 'json'}
            options={[
              { value: 'form', label: 'Form' },
              { value: 'json', label: 'JSON' },
            ]}
            onChange={(how) => tried.set({ text: parsed.ok ? text : '{}', form: how === 'form' })}
          />
        </div>
        {form ? (
          <Form at={at} targeting={edited?.draft ?? targeting} context={context ?? {}} onChange={write} />
        ) : (
          <JsonField label="Context as JSON" hidden value={text} onChange={(t) => tried.set({ text: t, form: false })} errors={parsed.ok ? [] : [parsed.error]} />
        )}
        <p className={classes.note}>It is sent to this server alone, and kept in no link, log or storage.</p>
        {context && <Command>{evaluateCommand(at.flag, at.environment, context)}</Command>}
        {text !== '{}' && (
          <Button size="compact-sm" mt="xs" onClick={() => tried.set({ text: '{}', form })}>
            Clear
          </Button>
        )}
      </section>
      <Answer at={at} flag={flag} targeting={targeting} edited={edited} context={context} />
    </div>
  )
}

function Form({ at, targeting, context, onChange }: { at: Place; targeting: Props['targeting'] | Draft['draft']; context: Context; onChange: (next: Context) => void }) {
  const { data: segments = [] } = useQuery(segmentsQuery(at.project))
  const fields = useMemo(() => asked(targeting, new Map(segments.map((s) => [s.key, s.when]))), [targeting, segments])
  const others = Object.keys(context).filter((name) => !fields.some((f) => f.path === name || f.path.startsWith(`${name}.`)))
  return (
    <div className={classes.form}>
      {fields.map((f) => (
        <Field key={f.path} asked={f} value={get(context, f.path)} onChange={(v) => onChange(set(context, f.path, v))} />
      ))}
      {others.length > 0 && <p className={classes.note}>Also set, as JSON: {others.join(', ')}</p>}
    </div>
  )
}

function Field({ asked: f, value, onChange }: { asked: Asked; value: Json | undefined; onChange: (v: Json | undefined) => void }) {
  return (
    <Autocomplete
      label={f.path}
      className={classes.field}
      classNames={{ label: classes.fieldLabel }}
      size="xs"
      data={f.type === 'boolean' ? ['true', 'false'] : f.examples}
      filter={({ options }) => options}
      placeholder="not set"
      value={fieldText(value)}
      onChange={(text) => onChange(fieldValue(f.type, text))}
      spellCheck={false}
      autoCapitalize="off"
      comboboxProps={{ transitionProps: { duration: 0 } }}
    />
  )
}

function Answer({ at, flag, targeting, edited, context }: Props & { context: Context | undefined }) {
  const text = context ? JSON.stringify(context) : ''
  const [settled] = useDebouncedValue(text, 250)
  // Below the flag's targeting, so that a change that arrives is evaluated anew.
  const { data, error, refetch } = useQuery({
    queryKey: [...keys.targeting(at.project, at.flag, at.environment), 'evaluate', targeting.version, targeting.kills?.length ?? 0, settled] as const,
    queryFn: () => evaluate(at, JSON.parse(settled) as Context),
    enabled: settled !== '',
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  })
  const place = (id: string) => placeName(targeting, id)
  if (error) return <ProblemAlert error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton height={240} />
  const { trace } = data
  return (
    <section className={classes.answer} aria-label="Answer" aria-live="polite">
      <div className={classes.result}>
        <p className={classes.value}>{data.error ? 'Error' : shortJson(data.value as Json, 400)}</p>
        <p className={classes.why}>
          {data.variant && (
            <>
              Variant <b>{data.variant}</b>:{' '}
            </>
          )}
          {resultText(data, place)}.
        </p>
        <p className={classes.meta}>
          {data.reason}
          {data.cause ? `, ${data.cause}` : ''}
          {data.revision !== undefined && `, revision ${data.revision}`}
        </p>
      </div>
      {edited && <WithDraft at={at} edited={edited} context={settled} variant={data.variant} />}
      {trace && <TraceView trace={trace} flag={flag} targeting={targeting} />}
    </section>
  )
}

function WithDraft({ at, edited, context, variant }: { at: Place; edited: Draft; context: string; variant: string | undefined }) {
  const { data } = useQuery({
    queryKey: [...keys.targeting(at.project, at.flag, at.environment), 'evaluate-draft', JSON.stringify(edited.draft), context] as const,
    queryFn: ({ signal }) => preview(at, edited.draft, [JSON.parse(context) as Context], signal),
    enabled: context !== '',
    retry: false,
    gcTime: 0,
  })
  const after = data?.contexts?.[0]?.after
  if (!after) return null
  return (
    <p className={classes.draft}>
      With your unsaved changes it would {after.variant === variant ? 'get the same' : `get ${after.variant || 'the caller’s default'}: ${shortJson(after.value as Json)}`}.
    </p>
  )
}

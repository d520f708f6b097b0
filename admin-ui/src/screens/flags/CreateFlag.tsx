import { ActionIcon, Autocomplete, Button, Checkbox, Modal, Select, TagsInput, TextInput, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useRef, useState } from 'react'
import { onceKey } from '../../api/client'
import { createFlag, refreshFlags } from '../../api/flags'
import { ProblemError, asProblem } from '../../api/problem'
import { ProblemAlert } from '../../components/ProblemAlert'
import { useFocusBack } from '../../components/focusBack'
import { CrossIcon, PlusIcon } from '../../components/icons'
import { toast } from '../../components/toast'
import classes from './CreateFlag.module.css'
import { type Draft, type FlagType, draftErrors, emptyDraft, flagOf, keyFrom, templates, withKind, withType } from './draft'
import { typeNames } from './filter'

type CreateProps = { project: string; owners: readonly string[]; tags: readonly string[]; onClose: () => void }

// CreateFlag makes a flag from a template. It is off everywhere, so there is nothing to fear; what is wrong is said beside its field.
export function CreateFlag({ project, owners, tags, onClose }: CreateProps) {
  useFocusBack()
  const [draft, setDraft] = useState<Draft>(emptyDraft)
  // The key follows the name until somebody writes it himself.
  const [ownKey, setOwnKey] = useState(false)
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set())
  const [tried, setTried] = useState(false)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<ProblemError>()
  const once = useRef(onceKey())
  const queries = useQueryClient()
  const navigate = useNavigate()

  const wrong = draftErrors(draft)
  const change = (part: Partial<Draft>) => {
    setDraft((before) => ({ ...before, ...part }))
    setFailure(undefined)
    once.current = onceKey() // another flag is another intent
  }
  const leave = (pointer: string) => setSeen((before) => new Set(before).add(pointer))
  // A field is told what is wrong when it was left, not while its first letter is typed; what the server says always.
  const error = (pointer: string) => (tried || seen.has(pointer) ? wrong[pointer] : undefined) ?? failure?.fields[pointer]

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    const [bad] = Object.keys(wrong)
    if (bad !== undefined) return focusField(bad)
    if (busy) return
    setBusy(true)
    try {
      await createFlag(project, flagOf(draft), once.current)
      void refreshFlags(queries, project, [draft.key])
      toast(`Created ${draft.key}, off everywhere`)
      onClose()
      void navigate({ to: '/p/$project/flags/$flag', params: { project, flag: draft.key } })
    } catch (err) {
      const problem = asProblem(err)
      setFailure(problem.code === 'exists' ? withField(problem) : problem)
      setBusy(false)
    }
  }
  const placed = failure && Object.keys(failure.fields).some((pointer) => known.test(pointer))

  return (
    <Modal opened onClose={onClose} size={640} title="New flag" closeButtonProps={{ 'aria-label': 'Close' }} classNames={{ inner: classes.inner, content: classes.content }}>
      <form className={classes.form} onSubmit={(event) => void submit(event)} noValidate>
        <Templates kind={draft.kind} onKind={(kind) => change(withKind(draft, kind))} />
        <div className={classes.two}>
          <TextInput
            label="Name"
            name="name"
            data-autofocus
            autoFocus
            autoComplete="off"
            placeholder="New checkout"
            value={draft.name}
            onChange={(event) => change({ name: event.currentTarget.value, ...(!ownKey && { key: keyFrom(event.currentTarget.value) }) })}
            error={error('/name')}
          />
          <TextInput
            label="Key"
            name="key"
            required
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            placeholder="new-checkout"
            classNames={{ input: 'mono' }}
            value={draft.key}
            onChange={(event) => {
              setOwnKey(event.currentTarget.value !== '')
              change({ key: event.currentTarget.value })
            }}
            onBlur={() => draft.key !== '' && leave('/key')}
            error={error('/key')}
          />
        </div>
        <Textarea
          label="What it is for"
          name="description"
          autosize
          minRows={2}
          maxRows={6}
          value={draft.description}
          onChange={(event) => change({ description: event.currentTarget.value })}
          error={error('/description')}
        />
        <div className={classes.two}>
          <Autocomplete
            label="Owner"
            name="owner"
            placeholder="Who to ask"
            data={[...owners]}
            limit={8}
            value={draft.owner}
            onChange={(owner) => change({ owner })}
            error={error('/owner')}
            comboboxProps={{ withinPortal: false }}
          />
          <TagsInput
            label="Tags"
            placeholder={draft.tags.length === 0 ? 'Enter after each' : ''}
            data={[...tags]}
            limit={8}
            value={draft.tags}
            onChange={(list) => change({ tags: list })}
            error={error('/tags')}
            comboboxProps={{ withinPortal: false }}
          />
        </div>
        <Select
          label="Type of its values"
          data={Object.entries(typeNames).map(([value, label]) => ({ value, label: value === 'boolean' ? 'On or off' : label }))}
          value={draft.type}
          onChange={(type) => type !== null && change(withType(draft, type as FlagType))}
          comboboxProps={{ withinPortal: false }}
        />
        {draft.type !== 'boolean' && <Variants draft={draft} onChange={(variants) => change({ variants })} error={error} onLeave={leave} />}
        <Checkbox
          label="Browsers and apps may see it"
          description="Client tokens serve it; the rules themselves stay on the server."
          checked={draft.clientVisible}
          onChange={(event) => change({ clientVisible: event.currentTarget.checked })}
        />
        {failure && !placed && <ProblemAlert error={failure} />}
        <div className={classes.acts}>
          <span className={classes.note}>It is off everywhere until you turn it up.</span>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" loading={busy}>
            Create
          </Button>
        </div>
      </form>
    </Modal>
  )
}

const known = /^\/(key|name|description|owner|tags|variants)/

// withField puts "there is already such a flag" where it belongs.
function withField({ problem }: ProblemError): ProblemError {
  return new ProblemError({ ...problem, pointer: '/key' })
}

function focusField(pointer: string) {
  const name = pointer.slice(1).replaceAll('/', '.')
  document.querySelector<HTMLElement>(`form [name="${CSS.escape(name)}"]`)?.focus()
}

function Templates({ kind, onKind }: { kind: Draft['kind']; onKind: (kind: Draft['kind']) => void }) {
  return (
    <fieldset className={classes.templates}>
      <legend className="sr-only">Kind</legend>
      {templates.map((template) => (
        <label key={template.kind}>
          <input type="radio" name="kind" checked={kind === template.kind} onChange={() => onKind(template.kind)} />
          <strong>{template.name}</strong>
          <span>{template.text}</span>
        </label>
      ))}
    </fieldset>
  )
}

type VariantsProps = {
  draft: Draft
  onChange: (variants: Draft['variants']) => void
  error: (pointer: string) => string | undefined
  onLeave: (pointer: string) => void
}

function Variants({ draft, onChange, error, onLeave }: VariantsProps) {
  const { variants } = draft
  const put = (n: number, part: Partial<Draft['variants'][number]>) => onChange(variants.map((each, m) => (m === n ? { ...each, ...part } : each)))
  return (
    <fieldset className={classes.variants}>
      <legend>Variants</legend>
      {variants.map((variant, n) => (
        <div key={n} className={classes.variant}>
          <TextInput
            aria-label={`Name of variant ${n + 1}`}
            name={`variants.${n}.key`}
            placeholder="name"
            value={variant.key}
            onChange={(event) => put(n, { key: event.currentTarget.value })}
            onBlur={() => onLeave(`/variants/${n}/key`)}
            error={error(`/variants/${n}/key`)}
          />
          <TextInput
            aria-label={`Value of variant ${n + 1}`}
            name={`variants.${n}.value`}
            placeholder="value"
            classNames={{ input: 'mono' }}
            value={variant.value}
            onChange={(event) => put(n, { value: event.currentTarget.value })}
            onBlur={() => onLeave(`/variants/${n}/value`)}
            error={error(`/variants/${n}/value`)}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            aria-label={`Remove variant ${variant.key || n + 1}`}
            disabled={variants.length <= 2}
            onClick={() => onChange(variants.toSpliced(n, 1))}
          >
            <CrossIcon size={16} />
          </ActionIcon>
        </div>
      ))}
      <div className={classes.more}>
        <Button size="xs" leftSection={<PlusIcon size={14} />} onClick={() => onChange([...variants, { key: '', value: '' }])}>
          Variant
        </Button>
        <span className={classes.note}>The first is served while the flag is off.</span>
      </div>
      {error('/variants') !== undefined && <p role="alert">{error('/variants')}</p>}
    </fieldset>
  )
}

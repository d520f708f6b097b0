import '@mantine/core/styles/InlineInput.layer.css'
import '@mantine/core/styles/NumberInput.layer.css'
import { Checkbox, NumberInput, TextInput, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Environment, createEnvironment, patchEnvironment } from '../../api/environments'
import { ProblemError } from '../../api/problem'
import { keys } from '../../api/queries'
import { ActDialog } from '../../components/ActDialog'
import { keyError } from '../../components/key'
import { plural } from '../../components/time'
import { toast } from '../../components/toast'
import classes from './Environments.module.css'

interface Props {
  project: string
  others: readonly Environment[]
  /** The one to change; a new one is made without. */
  environment?: Environment
  onClose: () => void
}

class Incomplete extends Error {}

export function EnvironmentDialog({ project, others, environment, onClose }: Props) {
  const queries = useQueryClient()
  const [now, setNow] = useState<Environment>(environment ?? { key: '', name: '', description: '', production: false, order: nextOrder(others) })
  const [fields, setFields] = useState<Record<string, string>>({})
  const set = (change: Partial<Environment>) => setNow((e) => ({ ...e, ...change }))
  const taken = !environment && others.some((e) => e.key === now.key)
  const keyProblem = taken ? 'There is an environment with this key' : now.key ? keyError(now.key) : undefined
  const act = async (reason: string) => {
    setFields({})
    if (!now.key) setFields({ '/key': 'A key is needed: programs and links use it' })
    if (!now.key || keyProblem) throw new Incomplete()
    const { key, name, description, production, order } = now
    try {
      if (environment) await patchEnvironment(project, key, { name, description, production, order }, environment.version, reason)
      else await createEnvironment(project, { key, name, description, production, order }, reason)
    } catch (err) {
      if (err instanceof ProblemError) setFields(err.fields)
      throw err
    }
    await queries.invalidateQueries({ queryKey: keys.environments(project) })
    void queries.invalidateQueries({ queryKey: keys.all(project) })
    toast(environment ? `Changed ${key}` : `Created ${key}; every flag is off in it`)
    onClose()
  }
  return (
    <ActDialog title={environment ? `Edit ${environment.key}` : 'New environment'} act={environment ? 'Save' : 'Create'} onAct={act} onClose={onClose} explain={(err) => explain(err, () => void queries.invalidateQueries({ queryKey: keys.environments(project) }).then(onClose))}>
      <TextInput
        label="Key"
        description={environment ? 'A key cannot change: programs, tokens and links use it.' : 'Lower-case letters, digits, dots, dashes.'}
        placeholder="staging"
        required
        classNames={{ input: 'mono' }}
        disabled={environment !== undefined}
        value={now.key}
        onChange={(e) => set({ key: e.currentTarget.value.trim() })}
        error={keyProblem ?? fields['/key']}
        data-autofocus={environment ? undefined : true}
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput label="Name" placeholder="Staging" value={now.name ?? ''} onChange={(e) => set({ name: e.currentTarget.value })} error={fields['/name']} maxLength={256} data-autofocus={environment ? true : undefined} />
      <Textarea label="Description" autosize minRows={2} maxRows={6} value={now.description ?? ''} onChange={(e) => set({ description: e.currentTarget.value })} error={fields['/description']} maxLength={4096} />
      <Checkbox
        label="This is production"
        description="It is marked everywhere, and asked about twice."
        checked={now.production ?? false}
        onChange={(e) => set({ production: e.currentTarget.checked })}
      />
      <NumberInput label="Order" description="Where it stands in lists, the smallest first." allowDecimal={false} min={-1_000_000} max={1_000_000} value={now.order ?? 0} onChange={(order) => set({ order: Number(order) || 0 })} error={fields['/order']} classNames={{ wrapper: classes.order }} />
      {!environment && others.length > 0 && <p>Every flag is there from the start, off. It gets a ruleset of its own, beside {plural(others.length, 'other', 'others')}.</p>}
    </ActDialog>
  )
}

function nextOrder(others: readonly Environment[]): number {
  return others.length === 0 ? 0 : Math.max(...others.map((e) => e.order ?? 0)) + 1
}

// explain: what is said beside a field is not said again; a change of somebody else's is told with what to do.
function explain(err: unknown, reload: () => void) {
  if (err instanceof Incomplete) return <></>
  if (!(err instanceof ProblemError)) return undefined
  if (err.status === 412)
    return (
      <p role="alert">
        Somebody changed it meanwhile, and nothing of yours was saved.{' '}
        <button type="button" onClick={reload}>
          Read it again
        </button>
      </p>
    )
  return ['/key', '/name', '/description', '/order'].some((p) => p in err.fields) ? <></> : undefined
}

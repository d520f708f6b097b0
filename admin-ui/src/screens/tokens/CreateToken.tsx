import '@mantine/core/styles/RadioCard.layer.css'
import '@mantine/core/styles/RadioIndicator.layer.css'
import { Radio, Select, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { ProblemError } from '../../api/problem'
import { environmentsQuery, keys } from '../../api/queries'
import { onceKey } from '../../api/client'
import { createToken } from '../../api/tokens'
import { useSession } from '../../app/session'
import { ActDialog } from '../../components/ActDialog'
import type { Act } from './Tokens'
import classes from './Tokens.module.css'
import { type Kind, type Role, expiryOf, kindWords, kinds, lifetimes, roleWords, rolesUpTo } from './state'

const pointers = ['/name', '/kind', '/role', '/environment', '/expires']

class Incomplete extends Error {}

export function CreateToken({ project, onMade, onClose }: { project: string; onMade: (act: Act) => void; onClose: () => void }) {
  const queries = useQueryClient()
  const session = useSession()
  const { data: environments = [] } = useQuery(environmentsQuery(project))
  const [name, setName] = useState('')
  const [kind, setKind] = useState<Kind>('server')
  const [role, setRole] = useState<Role>('viewer')
  const [environment, setEnvironment] = useState('')
  const [life, setLife] = useState('')
  const [day, setDay] = useState('')
  const [fields, setFields] = useState<Record<string, string>>({})
  // One intent, one key: a second try after a lost answer makes no second token.
  const [key] = useState(onceKey)
  const sdk = kind === 'server' || kind === 'client'
  const grantable = rolesUpTo(session.kind === 'in' ? session.principal.role : undefined)
  const today = new Date().toISOString().slice(0, 10)
  const missing = (): Record<string, string> => ({
    ...(name.trim() ? {} : { '/name': 'A name is needed, to know it by' }),
    ...(sdk && !environment ? { '/environment': 'Choose the environment whose flags it gets' } : {}),
    ...(life === 'at' && !day ? { '/expires': 'Choose a day' } : {}),
  })
  const act = async (reason: string) => {
    const gaps = missing()
    setFields(gaps)
    if (Object.keys(gaps).length > 0) throw new Incomplete()
    try {
      const { data } = await createToken(
        project,
        { name: name.trim(), kind, ...(kind === 'admin' ? { role } : {}), ...(environment ? { environment } : {}), ...(life ? { expires: expiryOf(life, day, Date.now()) } : {}) },
        reason,
        key,
      )
      void queries.invalidateQueries({ queryKey: keys.tokens(project) })
      onMade({ kind: 'secret', token: data.token, secret: data.secret })
    } catch (err) {
      if (err instanceof ProblemError) setFields(err.fields)
      throw err
    }
  }
  // What is said beside a field is not said again below.
  const explain = (err: unknown) => (err instanceof Incomplete || (err instanceof ProblemError && pointers.some((p) => p in err.fields)) ? <></> : undefined)
  return (
    <ActDialog title="New token" act="Make the token" size="xl" onAct={act} onClose={onClose} explain={explain}>
      <TextInput label="Name" description="Who or what uses it; one token each, so that one can be revoked alone." placeholder="checkout service" required maxLength={256} value={name} onChange={(e) => setName(e.currentTarget.value)} error={fields['/name']} data-autofocus />
      <Kinds kind={kind} onChange={setKind} error={fields['/kind']} />
      {kind === 'admin' && (
        <Select
          label="Role"
          description={roleWords[role]}
          data={grantable.map((r) => ({ value: r, label: r }))}
          value={role}
          onChange={(r) => setRole((r ?? 'viewer') as Role)}
          error={fields['/role']}
        />
      )}
      <Select
        label="Environment"
        description={sdk ? 'An SDK gets the flags of one environment.' : 'It can be kept to one.'}
        placeholder="Choose one"
        required={sdk}
        data={[...(sdk ? [] : [{ value: '', label: 'All environments' }]), ...environments.map((e) => ({ value: e.key, label: e.name || e.key }))]}
        value={sdk && environment === '' ? null : environment}
        onChange={(e) => setEnvironment(e ?? '')}
        error={fields['/environment']}
      />
      <div className={classes.life}>
        <Select label="Ends after" data={lifetimes.map((l) => ({ ...l }))} value={life} onChange={(l) => setLife(l ?? '')} error={life === 'at' ? undefined : fields['/expires']} />
        {life === 'at' && <TextInput type="date" label="Last day" required min={today} value={day} onChange={(e) => setDay(e.currentTarget.value)} error={fields['/expires']} />}
      </div>
    </ActDialog>
  )
}

function Kinds({ kind, onChange, error }: { kind: Kind; onChange: (kind: Kind) => void; error: string | undefined }) {
  const id = useId()
  return (
    <Radio.Group label="Kind" value={kind} onChange={(k) => onChange(k as Kind)} error={error}>
      <div className={classes.kinds}>
        {kinds.map((k) => (
          <Radio.Card key={k} value={k} className={classes.kind} aria-labelledby={`${id}${k}`}>
            <Radio.Indicator />
            <span id={`${id}${k}`}>
              <b>{kindWords[k].name}</b> {kindWords[k].can}; <span className={classes.dim}>for {kindWords[k].for}</span>
            </span>
          </Radio.Card>
        ))}
      </div>
    </Radio.Group>
  )
}

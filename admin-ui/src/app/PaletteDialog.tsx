import { Modal } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from 'react'
import { useAllFlags } from '../api/allFlags'
import type { FlagState } from '../api/flags'
import { environmentsQuery } from '../api/queries'
import { StateCell } from '../components/StateCell'
import { useFocusBack } from '../components/focusBack'
import { FlagIcon, KillIcon, SearchIcon } from '../components/icons'
import { openKill } from '../components/killing'
import { useNow } from '../components/now'
import { formatBuckets, parsePercent } from '../lib/percent'
import { type Act, ActForm } from './ActForm'
import classes from './Palette.module.css'
import { type Command, best, fitting, parseCommand } from './commands'
import type { Environment } from './environment'
import { useMay } from './rights'

type Option = { id: string; group: string; text: string; detail?: React.ReactNode; icon?: React.ReactNode; tone?: 'kill'; run: () => void }

// PaletteDialog finds flags and pages, and acts on flags: it reads "kill new-checkout in production" and "ramp new-checkout 25 % in staging".
export function PaletteDialog({ onClose }: { onClose: () => void }) {
  useFocusBack()
  const [typed, setTyped] = useState('')
  const [act, setAct] = useState<Act>()
  const deferred = useDeferredValue(typed)
  const options = useOptions(deferred, onClose, setAct)
  const { at, list, onKeyDown, activeId, setAt } = useChoice(options)
  const listId = useId()
  return (
    <Modal
      opened
      onClose={onClose}
      size={640}
      withCloseButton={act !== undefined}
      title={act ? actTitle(act) : 'Find or act'}
      classNames={{ header: act ? undefined : 'sr-only', body: act ? undefined : classes.body, content: classes.content, inner: classes.inner }}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {act ? (
        <ActForm act={act} onDone={onClose} />
      ) : (
        <>
          <div className={classes.field}>
            <SearchIcon />
            <input
              data-autofocus
              autoFocus // at once, not with the focus trap a moment later: whoever types right after ⌘K would lose the first letters
              className={classes.input}
              role="combobox"
              aria-expanded="true"
              aria-controls={listId}
              aria-activedescendant={activeId}
              aria-label="Find a flag or a page, or type what to do"
              placeholder="A flag, a page, or: kill FLAG in production"
              value={typed}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              onChange={(event) => {
                setTyped(event.currentTarget.value)
                setAt(0)
              }}
              onKeyDown={onKeyDown}
            />
          </div>
          <div className={classes.list} role="listbox" id={listId} aria-label="What can be done" ref={list}>
            {options.map((option, n) => (
              <OneOption key={option.id} option={option} active={n === at} first={options[n - 1]?.group !== option.group} onPoint={() => setAt(n)} />
            ))}
            {options.length === 0 && <p className={classes.none}>Nothing is called that</p>}
          </div>
          <p className={classes.hint}>
            <span>kill FLAG in ENV</span>
            <span>ramp FLAG 25 in ENV</span>
            <span>on FLAG in ENV</span>
            <span>off FLAG in ENV</span>
          </p>
        </>
      )}
    </Modal>
  )
}

type OneOptionProps = { option: Option; active: boolean; first: boolean; onPoint: () => void }

function OneOption({ option, active, first, onPoint }: OneOptionProps) {
  return (
    <>
      {first && (
        <div className={classes.group} role="presentation">
          {option.group}
        </div>
      )}
      <div
        id={option.id}
        role="option"
        aria-selected={active}
        className={classes.option}
        data-tone={option.tone}
        onMouseMove={active ? undefined : onPoint}
        onClick={option.run}
      >
        <span className={classes.icon}>{option.icon}</span>
        <span className={classes.text}>{option.text}</span>
        {option.detail !== undefined && <span className={classes.detail}>{option.detail}</span>}
      </div>
    </>
  )
}

function actTitle({ verb, flag, environment }: Act): string {
  const what = { ramp: `Ramp ${flag}`, on: `Turn ${flag} on`, off: `Turn ${flag} off` }[verb]
  return `${what} in ${environment.name || environment.key}`
}

// useChoice moves through the options by keyboard.
function useChoice(options: readonly Option[]) {
  const [chosen, setAt] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const at = Math.min(chosen, Math.max(0, options.length - 1))
  const activeId = options[at]?.id
  useEffect(() => {
    if (activeId !== undefined) document.getElementById(activeId)?.scrollIntoView({ block: 'nearest' })
  }, [activeId])
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key]
    if (step !== undefined) {
      event.preventDefault()
      const n = options.length
      const next = at + step
      setAt(Math.abs(step) === 1 ? (next + n) % Math.max(1, n) : Math.max(0, Math.min(n - 1, next)))
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault()
      options[at]?.run()
    }
  }
  return { at, list, onKeyDown, activeId, setAt }
}

const pages = [
  { to: '/p/$project/flags', name: 'Flags' },
  { to: '/p/$project/segments', name: 'Segments' },
  { to: '/p/$project/environments', name: 'Environments' },
  { to: '/p/$project/log', name: 'Log' },
  { to: '/p/$project/instances', name: 'Instances' },
  { to: '/p/$project/tokens', name: 'Tokens' },
] as const

function useOptions(typed: string, onClose: () => void, onAct: (act: Act) => void): Option[] {
  const project = useParams({ strict: false }).project ?? ''
  const navigate = useNavigate()
  const { items } = useAllFlags(project)
  const { data: environments = [] } = useQuery(environmentsQuery(project))
  const now = useNow()
  const operator = useMay('operator')
  return useMemo(() => {
    const command = parseCommand(typed)
    const then = (run: () => void) => () => {
      onClose()
      run()
    }
    const byKey = new Map(items.map((item) => [item.flag.key, item]))
    const found = best(
      items.map((item) => item.flag),
      command.flag,
      command.verb === undefined || command.verb === 'open' ? 12 : 5,
    ).flatMap((flag) => byKey.get(flag.key) ?? [])
    const open = (item: FlagState, env?: string) =>
      then(() => void navigate({ to: '/p/$project/flags/$flag', params: { project, flag: item.flag.key }, search: env === undefined ? {} : { env } }))
    const acts = (item: FlagState, of: Command) => (operator ? actsOn({ project, item, environments, command: of, now, then, onAct }) : [])

    if (command.verb !== undefined && command.verb !== 'open') return found.flatMap((item) => acts(item, command))
    const flags = found.map(
      (item): Option => ({ id: `flag:${item.flag.key}`, group: 'Flags', text: item.flag.key, detail: item.flag.name, icon: <FlagIcon size={18} />, run: open(item) }),
    )
    const word = command.flag.toLowerCase()
    const places = pages
      .filter((page) => page.name.toLowerCase().startsWith(word))
      .map((page): Option => ({ id: `page:${page.name}`, group: 'Pages', text: page.name, run: then(() => void navigate({ to: page.to, params: { project } })) }))
    if (word === '') return [...places, ...flags.slice(0, 6)]
    const first = found[0]
    const kills = first ? acts(first, { ...command, verb: 'kill' }) : []
    return [...flags.slice(0, 8), ...kills, ...places]
  }, [typed, items, environments, project, navigate, onClose, onAct, now, operator])
}

type ActsOn = {
  project: string
  item: FlagState
  environments: readonly Environment[]
  command: Command
  now: number
  then: (run: () => void) => () => void
  onAct: (act: Act) => void
}

// actsOn are the acts on one flag that the command may mean: in each environment that fits.
function actsOn({ project, item, environments, command, now, then, onAct }: ActsOn): Option[] {
  const flag = item.flag.key
  const share = command.percent === undefined ? undefined : parsePercent(command.percent)
  const to = share?.ok ? `to ${formatBuckets(share.value)} % ` : ''
  return fitting(environments, command.environment, command.verb).flatMap((environment): Option[] => {
    const where = `in ${environment.name || environment.key}`
    const more = { detail: <StateCell of={item.environments[environment.key]} now={now} /> }
    const id = `${command.verb}:${flag}:${environment.key}`
    switch (command.verb) {
      case 'kill':
        return [{ id, group: 'Kill', text: `Kill ${flag} ${where}…`, tone: 'kill', icon: <KillIcon size={18} />, run: then(() => openKill({ project, flag, environment: environment.key })), ...more }]
      case 'ramp':
        return [{ id, group: 'Ramp', text: `Ramp ${flag} ${to}${where}…`, run: () => onAct({ verb: 'ramp', project, flag, environment, percent: command.percent }), ...more }]
      case 'on':
      case 'off': {
        const verb = command.verb
        return [{ id, group: 'Switch', text: `Turn ${flag} ${verb} ${where}…`, run: () => onAct({ verb, project, flag, environment }), ...more }]
      }
      default:
        return []
    }
  })
}

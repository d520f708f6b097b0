import { Button, Checkbox, Select, TextInput, UnstyledButton } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, getRouteApi } from '@tanstack/react-router'
import { memo, useCallback, useEffect, useMemo, useState } from 'react'
import { type Environment, type Placed, targetingsQuery } from '../../api/environments'
import type { FlagState } from '../../api/flags'
import { flagsQuery } from '../../api/queries'
import { useMay } from '../../app/rights'
import { Choice } from '../../components/Choice'
import { DiffView } from '../../components/DiffView'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { StateCell, type StateOf } from '../../components/StateCell'
import { StateMark } from '../../components/StateMark'
import { Toolbar } from '../../components/Toolbar'
import { ChevronIcon, SearchIcon } from '../../components/icons'
import { useNow } from '../../components/now'
import { count, plural } from '../../components/time'
import { diffTargeting } from '../../lib/diff'
import { CopyDialog } from './CopyDialog'
import classes from './Environments.module.css'
import { type Aspect, aspectWords, copied, differences, formatPair } from './compare'

const route = getRouteApi('/p/$project/environments')
const step = 200

interface Row {
  flag: string
  left: Placed
  right: Placed
  aspects: Aspect[]
}

interface Props {
  project: string
  environments: Environment[]
  left: string
  right: string
}

// Compare shows two environments side by side, flag by flag, and copies targeting from one to the other.
export function Compare({ project, environments, left, right }: Props) {
  const navigate = route.useNavigate()
  const a = useQuery(targetingsQuery(project, left))
  const b = useQuery(targetingsQuery(project, right))
  const go = (x: string, y: string) => void navigate({ search: { compare: formatPair(x, y) }, replace: true })
  const choices = environments.map((e) => ({ value: e.key, label: e.name || e.key }))
  const unknown = [left, right].find((key) => !environments.some((e) => e.key === key))
  const rows = useMemo(() => (a.data && b.data ? rowsOf(a.data, b.data) : undefined), [a.data, b.data])
  const differing = rows?.filter((r) => r.aspects.length > 0).length ?? 0
  return (
    <Page title="Compare environments" actions={<Button onClick={() => void navigate({ search: {} })}>All environments</Button>}>
      <div className={classes.sides}>
        <Select label="Left" data={choices.filter((c) => c.value !== right)} value={left} onChange={(key) => key && go(key, right)} />
        <Button aria-label="Swap the sides" onClick={() => go(right, left)}>
          ⇄
        </Button>
        <Select label="Right" data={choices.filter((c) => c.value !== left)} value={right} onChange={(key) => key && go(left, key)} />
        {rows && (
          <p className={classes.verdict} role="status">
            {differing === 0 ? (
              <StateMark shape="full" tone="safe">{`All ${plural(rows.length, 'flag')} are the same`}</StateMark>
            ) : (
              <>
                <b>{count(differing)}</b> of {plural(rows.length, 'flag')} {differing === 1 ? 'differs' : 'differ'}
              </>
            )}
          </p>
        )}
      </div>
      {unknown !== undefined && <Empty title={`There is no environment ${unknown}`}>It may have been renamed or deleted. Choose another above.</Empty>}
      {unknown === undefined && a.isError && <ProblemAlert error={a.error} retry={() => void a.refetch()} />}
      {unknown === undefined && b.isError && <ProblemAlert error={b.error} retry={() => void b.refetch()} />}
      {unknown === undefined && !rows && !a.isError && !b.isError && <RowsSkeleton rows={10} label="Reading both environments" />}
      {rows && rows.length === 0 && (
        <Empty title="No flags yet" command={`dimmer flags create my-first-flag -p ${project}`}>
          There is nothing to compare.
        </Empty>
      )}
      {rows && rows.length > 0 && <Rows project={project} rows={rows} left={left} right={right} environments={environments} />}
    </Page>
  )
}

function rowsOf(left: Map<string, Placed>, right: Map<string, Placed>): Row[] {
  const out: Row[] = []
  for (const [flag, l] of left) {
    const r = right.get(flag)
    if (r && !l.archived) out.push({ flag, left: l, right: r, aspects: differences(l.targeting, r.targeting) })
  }
  return out
}

function Rows({ project, rows, left, right, environments }: { project: string; rows: Row[]; left: string; right: string; environments: Environment[] }) {
  const [show, setShow] = useState('differing')
  const [q, setQ] = useState('')
  const [shown, setShown] = useState(step)
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set())
  const [copying, setCopying] = useState<{ from: string; to: string }>()
  const states = useStates(project)
  const may = useMay('editor')
  const differing = rows.filter((r) => r.aspects.length > 0)
  const found = (show === 'all' ? rows : differing).filter((r) => r.flag.includes(q.trim().toLowerCase()))
  // What became the same meanwhile is not copied.
  const chosen = differing.filter((r) => ticked.has(r.flag))
  const tickable = found.filter((r) => r.aspects.length > 0)
  const tick = useCallback((flags: readonly string[], on: boolean) => {
    setTicked((now) => {
      const next = new Set(now)
      for (const flag of flags) {
        if (on) next.add(flag)
        else next.delete(flag)
      }
      return next
    })
  }, [])
  const all = tickable.length > 0 && tickable.every((r) => ticked.has(r.flag))
  const nameOf = (key: string) => environments.find((e) => e.key === key)?.name || key
  return (
    <>
      <Toolbar label="Filter the flags" end={`${count(found.length)} of ${count(rows.length)}`}>
        <TextInput aria-label="Search by key" placeholder="Flag" leftSection={<SearchIcon size={16} />} value={q} onChange={(e) => setQ(e.currentTarget.value)} />
        <Choice
          label="Which flags"
          value={show}
          onChange={setShow}
          options={[
            { value: 'differing', label: <>Differing <b>{count(differing.length)}</b></> },
            { value: 'all', label: <>All <b>{count(rows.length)}</b></> },
          ]}
        />
        {may && tickable.length > 0 && <Checkbox label="Tick all that differ" checked={all} indeterminate={!all && tickable.some((r) => ticked.has(r.flag))} onChange={(e) => tick(tickable.map((r) => r.flag), e.currentTarget.checked)} />}
      </Toolbar>
      {found.length === 0 ? (
        <Empty title={q ? 'No flag like that' : 'Nothing differs'}>{q ? 'Its key is searched.' : `Every flag does the same in ${nameOf(left)} and in ${nameOf(right)}.`}</Empty>
      ) : (
        <>
          <div className={classes.list}>
            <div className={classes.heading} aria-hidden>
              <span />
              <span>Flag</span>
              <span>{nameOf(left)}</span>
              <span>{nameOf(right)}</span>
              <span>Differs in</span>
            </div>
            <ul className={classes.list} aria-label="Flags" style={{ border: 0 }}>
              {found.slice(0, shown).map((row) => (
                <FlagRow key={row.flag} project={project} row={row} left={left} right={right} state={states.get(row.flag)} ticked={ticked.has(row.flag)} onTick={tick} />
              ))}
            </ul>
          </div>
          {found.length > shown && (
            <Button className={classes.more} onClick={() => setShown(shown + step)}>
              Show {count(Math.min(step, found.length - shown))} more of {count(found.length - shown)}
            </Button>
          )}
        </>
      )}
      {chosen.length > 0 && (
        <div className={classes.bar} role="region" aria-label="Copy">
          <span>
            <b>{plural(chosen.length, 'flag')}</b> ticked
          </span>
          <Button onClick={() => setCopying({ from: left, to: right })}>
            Copy {nameOf(left)} → {nameOf(right)}
          </Button>
          <Button onClick={() => setCopying({ from: right, to: left })}>
            Copy {nameOf(right)} → {nameOf(left)}
          </Button>
          <Button variant="subtle" onClick={() => setTicked(new Set())}>
            Untick all
          </Button>
        </div>
      )}
      {copying && (
        <CopyDialog
          project={project}
          from={copying.from}
          to={copying.to}
          production={environments.find((e) => e.key === copying.to)?.production ?? false}
          nameOf={nameOf}
          flags={chosen.map((r) => r.flag)}
          onClose={() => setCopying(undefined)}
        />
      )}
    </>
  )
}

interface RowProps {
  project: string
  row: Row
  left: string
  right: string
  state: FlagState | undefined
  ticked: boolean
  onTick: (flags: readonly string[], on: boolean) => void
}

// FlagRow is drawn anew when it changes itself: a tick elsewhere costs one row and not two hundred.
const FlagRow = memo(function FlagRow({ project, row, left, right, state, ticked, onTick }: RowProps) {
  const [open, setOpen] = useState(false)
  const may = useMay('editor')
  const same = row.aspects.length === 0
  return (
    <li className={classes.item}>
      <div className={classes.row}>
        <span className={classes.tick}>{may && !same && <Checkbox size="xs" aria-label={`Tick ${row.flag}`} checked={ticked} onChange={(e) => onTick([row.flag], e.currentTarget.checked)} />}</span>
        <Link to="/p/$project/flags/$flag" params={{ project, flag: row.flag }} search={{ env: right }}>
          {row.flag}
        </Link>
        <span>
          <span className={classes.side}>{left}</span>
          <State of={state?.environments[left]} />
        </span>
        <span>
          <span className={classes.side}>{right}</span>
          <State of={state?.environments[right]} />
        </span>
        {same ? (
          <StateMark shape="full" tone="safe">
            the same
          </StateMark>
        ) : (
          <UnstyledButton className={classes.differs} aria-expanded={open} onClick={() => setOpen(!open)} aria-label={`${row.aspects.map((a) => aspectWords[a]).join(', ')}: how ${row.flag} differs`}>
            <ChevronIcon size={14} className={classes.chevron} />
            {row.aspects.map((a) => aspectWords[a]).join(', ')}
          </UnstyledButton>
        )}
      </div>
      {open && (
        <div className={classes.diff}>
          <p>
            From {left} to {right}:
          </p>
          <DiffView lines={diffTargeting(row.left.targeting, copied(row.right.targeting, row.left.targeting, { keepSwitch: false }))} label={`How ${row.flag} differs`} />
        </div>
      )}
    </li>
  )
})

// State follows the clock only where a kill says how long ago it was.
function State({ of }: { of: StateOf | undefined }) {
  return of?.state === 'killed' ? <Killed of={of} /> : <StateCell of={of} now={0} />
}

function Killed({ of }: { of: StateOf }) {
  return <StateCell of={of} now={useNow()} />
}

// useStates gives what each flag does in each environment, as the flags' own table shows it.
function useStates(project: string): Map<string, FlagState> {
  const list = useInfiniteQuery(flagsQuery(project))
  const { hasNextPage, isFetching, fetchNextPage } = list
  useEffect(() => {
    if (hasNextPage && !isFetching) void fetchNextPage()
  }, [hasNextPage, isFetching, fetchNextPage])
  return useMemo(() => new Map(list.data?.pages.flatMap((p) => p.items.map((i) => [i.flag.key, i]))), [list.data])
}

import { useVirtualizer } from '@tanstack/react-virtual'
import { useRouter } from '@tanstack/react-router'
import { type KeyboardEvent, type MouseEvent, memo, useEffect, useRef, useState } from 'react'
import type { FlagState } from '../../api/flags'
import type { Environment } from '../../app/environment'
import { Kind } from '../../components/Kind'
import { StateCell } from '../../components/StateCell'
import { ChevronIcon } from '../../components/icons'
import { useNow } from '../../components/now'
import classes from './FlagTable.module.css'
import { RowMenu } from './RowMenu'
import type { Sort } from './filter'

// Size is how much room there is: a phone shows one environment and two lines a row; the kind has a column from large on, the name when it is wide.
export type Size = 'phone' | 'medium' | 'large' | 'wide'

type TableProps = {
  project: string
  items: readonly FlagState[]
  environments: readonly Environment[]
  size: Size
  // Names this list with its filters: where it was scrolled to is kept by it.
  memory: string
  sort: Sort
  onSort: (by: Sort['by']) => void
}

// Where lists were scrolled to, for as long as the page lives.
const places = new Map<string, number>()

// FlagTable shows flags × environments. Only rows near the window are in the document. It is one stop of the Tab key; arrows move within.
export function FlagTable({ project, items, environments, size, sort, onSort, memory }: TableProps) {
  const narrow = size === 'phone'
  const { kind, name } = extra(size)
  const scroller = useRef<HTMLDivElement>(null)
  const height = narrow ? 60 : 44
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 8,
    useFlushSync: false,
    initialOffset: () => places.get(memory) ?? 0,
  })
  // Whoever comes back from a flag finds the list where he left it; other filters begin at the top.
  useEffect(() => {
    if (rows.scrollOffset !== (places.get(memory) ?? 0)) rows.scrollToOffset(places.get(memory) ?? 0)
    return () => void places.set(memory, rows.scrollOffset ?? 0)
  }, [rows, memory])
  useEffect(() => rows.measure(), [rows, height])
  const columns = narrow
    ? 'minmax(0, 1fr) 128px 44px'
    : `minmax(220px, 1.2fr)${name ? ' minmax(120px, 1fr)' : ''}${kind ? ' 124px' : ''} repeat(${environments.length}, minmax(132px, 200px)) 60px`
  const width = environments.length + 2 + Number(kind) + Number(name)
  const { active, setActive, onKeyDown } = useArrows(scroller, { rows: items.length, columns: width, reveal: (n) => rows.scrollToIndex(n) })
  const now = useNow()
  const onClick = useLinks()
  const slots = rows.getVirtualItems()
  return (
    <div
      ref={scroller}
      className={classes.table}
      role="grid"
      aria-label="Flags"
      aria-rowcount={items.length + 1}
      data-narrow={narrow || undefined}
      data-many={environments.length > 4 || undefined}
      style={{ '--columns': columns } as React.CSSProperties}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <div className={classes.inner}>
        <div role="rowgroup" className={classes.head}>
          <div role="row" aria-rowindex={1} className={classes.row}>
            <Head by="flag" sort={sort} onSort={onSort}>
              Flag
            </Head>
            {name && (
              <div role="columnheader" className={classes.label}>
                Name
              </div>
            )}
            {kind && (
              <Head by="kind" sort={sort} onSort={onSort}>
                Kind
              </Head>
            )}
            {environments.map((e) => (
              <Head key={e.key} by={`env:${e.key}`} sort={sort} onSort={onSort} production={e.production === true}>
                {e.name || e.key}
              </Head>
            ))}
            <div role="columnheader">
              <span className="sr-only">Acts</span>
            </div>
          </div>
        </div>
        <div role="rowgroup" className={classes.body} style={{ height: rows.getTotalSize() }}>
          {slots.map(({ index, start }) => {
            const item = items[index]
            return (
              item && (
                <Row
                  // A row that leaves the window is written over by the one that enters: that is several times as fast as a new one.
                  key={index % pool}
                  project={project}
                  item={item}
                  index={index}
                  start={start}
                  environments={environments}
                  size={size}
                  now={now}
                  active={active.row === index ? active.column : -1}
                  onActive={setActive}
                />
              )
            )
          })}
        </div>
      </div>
    </div>
  )
}

function extra(size: Size): { kind: boolean; name: boolean } {
  return { kind: size === 'large' || size === 'wide', name: size === 'wide' }
}

// pool is more than the rows that are ever in the document at once: 200 are allowed.
const pool = 199

// useLinks makes the links of the grid go where they lead without loading the page. A component for each, with what it watches, would cost more than
// the rest of the row.
function useLinks() {
  const router = useRouter()
  return (event: MouseEvent) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[data-cell]') : null
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    router.history.push(link.pathname + link.search)
  }
}

type HeadProps = { by: Sort['by']; sort: Sort; onSort: (by: Sort['by']) => void; production?: boolean; children: string }

function Head({ by, sort, onSort, production, children }: HeadProps) {
  const on = sort.by === by
  return (
    <div role="columnheader" aria-sort={on ? (sort.down ? 'descending' : 'ascending') : 'none'} data-production={production || undefined}>
      <button type="button" className={classes.sort} data-on={on || undefined} onClick={() => onSort(by)}>
        <span>{children}</span>
        {on && <ChevronIcon size={12} className={sort.down ? undefined : classes.up} />}
      </button>
    </div>
  )
}

type RowProps = {
  project: string
  item: FlagState
  index: number
  start: number
  environments: readonly Environment[]
  size: Size
  now: number
  // The column that the Tab key reaches, or -1.
  active: number
  onActive: (to: Place) => void
}

const Row = memo(function Row({ project, item, index, start, environments, size, now, active, onActive }: RowProps) {
  const { flag } = item
  const { kind, name } = extra(size)
  const href = `/p/${encodeURIComponent(project)}/flags/${encodeURIComponent(flag.key)}`
  let column = 0
  const cell = () => {
    const at = column++
    return { role: 'gridcell' as const, 'data-cell': `${index}:${at}`, tabIndex: active === at ? 0 : -1, onFocus: () => onActive({ row: index, column: at }) }
  }
  // The interactive thing in a cell takes the focus for it.
  const inner = () => {
    const { role: _, ...rest } = cell()
    return rest
  }
  return (
    <div role="row" aria-rowindex={index + 2} className={classes.row} style={{ transform: `translateY(${start}px)` }}>
      <div role="rowheader" className={classes.flag}>
        <a href={href} className={classes.key} {...inner()}>
          {flag.key}
        </a>
        {size === 'phone' && <Kind kind={flag.kind} />}
      </div>
      {name && (
        <div {...cell()}>
          <span className={classes.name}>{flag.name}</span>
        </div>
      )}
      {kind && (
        <div {...cell()}>
          <Kind kind={flag.kind} />
        </div>
      )}
      {environments.map((e) => (
        <div role="gridcell" key={e.key} className={classes.state}>
          <a href={`${href}?env=${encodeURIComponent(e.key)}`} className={classes.fill} {...inner()}>
            <StateCell of={item.environments[e.key]} now={now} />
          </a>
        </div>
      ))}
      <div role="gridcell" className={classes.acts}>
        {/* The key: an open menu must never become that of the flag which takes this row over. */}
        <RowMenu key={flag.key} project={project} item={item} environments={environments} button={inner()} />
      </div>
    </div>
  )
})

type Place = { row: number; column: number }

// useArrows moves the focus cell by cell, as the grid pattern has it: arrows, Home and End, Page Up and Down.
function useArrows(scroller: React.RefObject<HTMLDivElement | null>, size: { rows: number; columns: number; reveal: (row: number) => void }) {
  const [active, setActive] = useState<Place>({ row: 0, column: 0 })
  const wanted = useRef<Place>(undefined)
  // The row may have to be scrolled into being first; then it is rendered, and then it can have the focus.
  useEffect(() => {
    const to = wanted.current
    if (!to) return
    const cell = scroller.current?.querySelector<HTMLElement>(`[data-cell="${to.row}:${to.column}"]`)
    if (!cell) return
    wanted.current = undefined
    cell.focus({ preventScroll: true })
  })
  const row = Math.min(active.row, Math.max(0, size.rows - 1))
  const column = Math.min(active.column, size.columns - 1)
  const onKeyDown = (event: KeyboardEvent) => {
    if (!(event.target instanceof HTMLElement) || !event.target.matches('[data-cell]') || event.altKey || event.metaKey) return
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      PageDown: [15, 0],
      PageUp: [-15, 0],
      Home: event.ctrlKey ? [-size.rows, -size.columns] : [0, -size.columns],
      End: event.ctrlKey ? [size.rows, size.columns] : [0, size.columns],
    }
    const step = steps[event.key]
    if (!step) return
    event.preventDefault()
    const to = { row: clamp(row + step[0], size.rows), column: clamp(column + step[1], size.columns) }
    wanted.current = to
    size.reveal(to.row)
    setActive(to)
  }
  return { active: { row, column }, setActive, onKeyDown }
}

function clamp(n: number, count: number): number {
  return Math.max(0, Math.min(count - 1, n))
}

import { Button } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { Suspense, lazy, useCallback, useDeferredValue, useMemo, useState } from 'react'
import { useAllFlags } from '../../api/allFlags'
import { environmentsQuery } from '../../api/queries'
import { defaultEnvironment } from '../../app/environment'
import { useMay } from '../../app/rights'
import type { FlagsSearch } from '../../app/search'
import { Empty } from '../../components/Empty'
import { NoEnvironment } from '../../components/NoEnvironment'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { KillIcon, PlusIcon } from '../../components/icons'
import { openKill } from '../../components/killing'
import { count, plural } from '../../components/time'
import { FlagFilters, useTyped } from './FlagFilters'
import { FlagTable, type Size } from './FlagTable'
import { facets, filterFlags, nextSort, parseSort, sortFlags } from './filter'

const CreateFlag = lazy(() => import('./CreateFlag').then((module) => ({ default: module.CreateFlag })))

const route = getRouteApi('/p/$project/flags')

export function Flags() {
  const { project } = route.useParams()
  const search = route.useSearch()
  const navigate = useNavigate()
  const archived = search.archived !== undefined
  const { items, complete, query } = useAllFlags(project, archived)
  const environments = useQuery(environmentsQuery(project))
  const size = useSize()
  const narrow = size === 'phone'
  const operator = useMay('operator')
  const editor = useMay('editor')
  const [creating, setCreating] = useState(false)

  const change = useCallback(
    (part: FlagsSearch) =>
      void navigate({ to: '/p/$project/flags', params: { project }, search: (before: FlagsSearch) => ({ ...before, ...part }), replace: true }),
    [navigate, project],
  )
  const [q, setQ] = useTyped(search.q ?? '', (text) => change({ q: text || undefined }))
  const words = useDeferredValue(q)
  const { tag, type, kind, owner, state, env, sort } = search
  const found = useMemo(() => filterFlags(items, { q: words, tag, type, kind, owner, state, env }), [items, words, tag, type, kind, owner, state, env])
  const order = useMemo(() => parseSort(sort), [sort])
  const shown = useMemo(() => sortFlags(found, order), [found, order])
  const { tags, owners } = useMemo(() => facets(items), [items])

  const all = environments.data ?? []
  const named = all.find((e) => e.key === env)
  const one = named ?? (narrow ? defaultEnvironment(all) : undefined)
  const columns = useMemo(() => (one ? [one] : all), [one, all])

  const failed = query.error ?? environments.error
  const none = items.length === 0 && complete
  return (
    <Page
      title="Flags"
      fill
      actions={
        <>
          {operator && items.length > 0 && (
            <Button leftSection={<KillIcon size={16} />} onClick={() => openKill({ project, tag: tag ?? '', environment: env })}>
              Kill by tag
            </Button>
          )}
          {editor && (
            <Button variant="primary" aria-label="New flag" leftSection={<PlusIcon size={16} />} onClick={() => setCreating(true)}>
              Flag
            </Button>
          )}
        </>
      }
    >
      {!none || archived ? (
        <FlagFilters
          search={search}
          onChange={change}
          q={q}
          onQ={setQ}
          tags={tags}
          owners={owners}
          folded={narrow || size === 'medium'}
          found={counted(found.length, items.length, complete)}
        />
      ) : null}
      {failed ? (
        <ProblemAlert error={failed} retry={() => void Promise.all([query.refetch(), environments.refetch()])} />
      ) : query.isPending || environments.isPending ? (
        <RowsSkeleton rows={14} label="Loading flags" />
      ) : none ? (
        archived ? (
          <Empty title="Nothing is archived">A flag that has done its work is archived: it serves off everywhere, and its history stays.</Empty>
        ) : all.length === 0 ? (
          <NoEnvironment project={project}>A flag stands between new code and your users.</NoEnvironment>
        ) : (
          <Empty
            title="No flags yet"
            command={`dimmer flags create new-checkout -p ${project}`}
            action={
              editor && <Button variant="primary" leftSection={<PlusIcon size={16} />} onClick={() => setCreating(true)}>
                Create the first flag
              </Button>
            }
          >
            A flag stands between new code and your users. It is off everywhere when it is made; you turn it up when you are ready, and kill it when you must.
          </Empty>
        )
      ) : shown.length === 0 && complete ? (
        <Empty title="No flag is like that">Other words, or fewer filters, find more.</Empty>
      ) : (
        <FlagTable project={project} items={shown} environments={columns} size={size} memory={JSON.stringify([project, search])} sort={order} onSort={(by) => change({ sort: nextSort(order, by) })} />
      )}
      {creating && (
        <Suspense>
          <CreateFlag project={project} owners={owners} tags={tags} onClose={() => setCreating(false)} />
        </Suspense>
      )}
    </Page>
  )
}

function useSize(): Size {
  const phone = useMediaQuery('(max-width: 640px)', undefined, { getInitialValueInEffect: false }) ?? false
  const large = useMediaQuery('(min-width: 1000px)', undefined, { getInitialValueInEffect: false }) ?? false
  const wide = useMediaQuery('(min-width: 1180px)', undefined, { getInitialValueInEffect: false }) ?? false
  return phone ? 'phone' : wide ? 'wide' : large ? 'large' : 'medium'
}

function counted(found: number, all: number, complete: boolean): string {
  const total = `${plural(all, 'flag')}${complete ? '' : ' so far'}`
  return found === all ? total : `${count(found)} of ${total}`
}

import { Skeleton } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { type Environment, deleteEnvironment } from '../../api/environments'
import { flagsQuery, instancesQuery, keys } from '../../api/queries'
import { segmentEnvironmentQuery, segmentsQuery } from '../../api/segments'
import { tokensQuery } from '../../api/tokens'
import { ActDialog } from '../../components/ActDialog'
import { plural } from '../../components/time'
import { toast } from '../../components/toast'
import classes from './Environments.module.css'
import { each } from './compare'
import { countStates } from './counts'

// So many segments are asked for the sizes of their lists; beyond that the sum is said to be one at least.
const mostSegments = 200

export function DeleteEnvironment({ project, environment, onClose }: { project: string; environment: Environment; onClose: () => void }) {
  const queries = useQueryClient()
  const act = async (reason: string) => {
    await deleteEnvironment(project, environment.key, environment.version, reason)
    toast(`Deleted ${environment.key}`)
    onClose() // first, so that nothing is asked about it any more
    void queries.invalidateQueries({ queryKey: keys.all(project) })
  }
  return (
    <ActDialog title={`Delete ${environment.name || environment.key}?`} act="Delete for good" tone="danger" reason="required" confirm={environment.key} onAct={act} onClose={onClose}>
      {environment.production && (
        <p>
          <b>This is production.</b>
        </p>
      )}
      <p>What goes with it, and cannot be brought back:</p>
      <Losses project={project} environment={environment.key} />
    </ActDialog>
  )
}

function Losses({ project, environment }: { project: string; environment: string }) {
  const flags = useInfiniteQuery(flagsQuery(project))
  const { hasNextPage, isFetching, fetchNextPage } = flags
  useEffect(() => {
    if (hasNextPage && !isFetching) void fetchNextPage()
  }, [hasNextPage, isFetching, fetchNextPage])
  const tokens = useQuery(tokensQuery(project))
  const instances = useQuery({ ...instancesQuery(project), staleTime: 0 })
  const lists = useListKeys(project, environment)
  const n = flags.data && !flags.hasNextPage ? countStates(flags.data.pages.flatMap((p) => p.items), environment) : undefined
  const bound = tokens.data?.filter((t) => t.environment === environment && !t.revokedAt).length
  const connected = instances.data?.items.filter((i) => i.environment === environment && i.state !== 'lost').length
  if (!n || !instances.data || lists.isPending) {
    return (
      <div role="status" aria-label="Counting what is in it">
        <Skeleton height={12} width="50%" mb={8} />
        <Skeleton height={12} width="35%" mb={8} />
        <Skeleton height={12} width="45%" />
      </div>
    )
  }
  return (
    <ul className={classes.losses}>
      <li>
        the targeting of <b>{plural(n.all, 'flag')}</b>, of which {plural(n.lit, 'is', 'are')} lit, with {plural(n.rules, 'rule')}
        {n.killed > 0 && <>, and {plural(n.killed, 'kill')}</>}
      </li>
      {lists.data && lists.data.keys > 0 && (
        <li>
          {lists.data.more && 'at least '}
          <b>{plural(lists.data.keys, 'key')}</b> in lists of segments
        </li>
      )}
      {bound !== undefined && bound > 0 && (
        <li>
          <b>{plural(bound, 'token')}</b>, which {bound === 1 ? 'is' : 'are'} good for nothing then
        </li>
      )}
      <li>
        the flags of <b>{plural(connected ?? 0, 'connected instance')}</b>: they go on with what they have, and hear of no kill
      </li>
    </ul>
  )
}

function useListKeys(project: string, environment: string) {
  const queries = useQueryClient()
  return useQuery({
    queryKey: ['p', project, 'segments', 'keys', environment],
    queryFn: async ({ signal }) => {
      const segments = await queries.fetchQuery(segmentsQuery(project))
      let keys = 0
      await each(segments.slice(0, mostSegments), 4, signal, async (s) => {
        const e = await queries.fetchQuery(segmentEnvironmentQuery(project, s.key, environment))
        keys += (e.include?.count ?? 0) + (e.exclude?.count ?? 0)
      })
      return { keys, more: segments.length > mostSegments }
    },
  })
}

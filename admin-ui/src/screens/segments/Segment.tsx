import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { Schemas } from '../../api/client'
import { ProblemError } from '../../api/problem'
import { keys } from '../../api/queries'
import { type Segment as SegmentDocument, deleteSegment, referencesQuery, segmentQuery } from '../../api/segments'
import { useMay } from '../../app/rights'
import { ActDialog } from '../../components/ActDialog'
import { Empty } from '../../components/Empty'
import { Page } from '../../components/Page'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RelativeTime } from '../../components/RelativeTime'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { Section } from '../../components/Section'
import { plural } from '../../components/time'
import { toast } from '../../components/toast'
import { Definition } from './Definition'
import { Lists } from './Lists'
import classes from './Segments.module.css'

const route = getRouteApi('/p/$project/segments/$segment')

export function Segment() {
  const { project, segment } = route.useParams()
  const navigate = route.useNavigate()
  const found = useQuery(segmentQuery(project, segment))
  const missing = found.error instanceof ProblemError && found.error.status === 404
  if (missing) {
    return (
      <Page title={segment}>
        <Empty
          title="There is no such segment"
          action={<Button onClick={() => void navigate({ to: '/p/$project/segments', params: { project } })}>All segments</Button>}
        >
          It may have been deleted; the log tells by whom, and can bring it back.
        </Empty>
      </Page>
    )
  }
  if (!found.data) {
    return (
      <Page title={segment}>
        {found.isError ? <ProblemAlert error={found.error} retry={() => void found.refetch()} /> : <RowsSkeleton label="Loading the segment" />}
      </Page>
    )
  }
  return <Loaded key={segment} project={project} segment={found.data} />
}

function Loaded({ project, segment }: { project: string; segment: SegmentDocument }) {
  const [deleting, setDeleting] = useState(false)
  const may = useMay('editor')
  // Any change of any targeting may begin or end a reference: it is asked now and then, not with each of them.
  const references = useQuery({ ...referencesQuery(project, segment.key), refetchInterval: 15_000 })
  return (
    <Page
      title={
        <span className={classes.title}>
          <Link to="/p/$project/segments" params={{ project }}>
            Segments
          </Link>
          <span aria-hidden>/</span>
          {segment.key}
        </span>
      }
      lead={
        <>
          {segment.name && <b>{segment.name}</b>}
          {segment.name && segment.description && '. '}
          {segment.description}
          {segment.updatedAt && (
            <span className={classes.dim}>
              {(segment.name || segment.description) && ' '}Changed <RelativeTime at={segment.updatedAt} />.
            </span>
          )}
        </>
      }
      actions={may && <Button onClick={() => setDeleting(true)}>Delete…</Button>}
    >
      <Definition project={project} segment={segment} />
      <Lists project={project} segment={segment.key} />
      <Section title="Used by" count={references.data?.items.length}>
        {references.isPending && <RowsSkeleton rows={2} label="Looking who uses it" />}
        {references.isError && <ProblemAlert error={references.error} retry={() => void references.refetch()} />}
        {references.data && <References project={project} references={references.data.items} truncated={references.data.truncated ?? false} />}
      </Section>
      {deleting && <DeleteSegment project={project} segment={segment} onClose={() => setDeleting(false)} />}
    </Page>
  )
}

type Reference = Schemas['Reference']

// References lists who uses a segment, a line for each flag or segment.
function References({ project, references, truncated }: { project: string; references: Reference[]; truncated: boolean }) {
  if (references.length === 0) return <p className={classes.note}>No flag and no other segment. It can be deleted.</p>
  const flags = new Map<string, Reference[]>()
  for (const r of references) if (r.flag) flags.set(r.flag, [...(flags.get(r.flag) ?? []), r])
  return (
    <>
      <ul className={classes.references}>
        {[...flags].map(([flag, places]) => (
          <li key={flag}>
            <span>{flag}</span>
            {places.map((r) => (
              <span key={r.environment}>
                <Link to="/p/$project/flags/$flag" params={{ project, flag }} search={{ env: r.environment }}>
                  {r.environment}
                </Link>
                {r.rule && <span className={classes.dim}> rule {r.rule}</span>}
              </span>
            ))}
          </li>
        ))}
        {references.map(
          (r) =>
            r.segment && (
              <li key={`segment ${r.segment}`}>
                <span>segment</span>
                <Link to="/p/$project/segments/$segment" params={{ project, segment: r.segment }}>
                  {r.segment}
                </Link>
              </li>
            ),
        )}
      </ul>
      {truncated && <p className={classes.note}>There are more than are listed.</p>}
    </>
  )
}

function DeleteSegment({ project, segment, onClose }: { project: string; segment: SegmentDocument; onClose: () => void }) {
  const queries = useQueryClient()
  const navigate = route.useNavigate()
  const references = useQuery(referencesQuery(project, segment.key))
  const n = references.data?.items.length ?? 0
  const act = async (reason: string) => {
    await deleteSegment(project, segment.key, segment.version, reason)
    await navigate({ to: '/p/$project/segments', params: { project } })
    void queries.invalidateQueries({ queryKey: keys.segments(project) })
    toast(`Deleted ${segment.key}`)
  }
  return (
    <ActDialog title={`Delete ${segment.key}?`} act="Delete" tone="danger" reason={n > 0 ? 'none' : 'required'} disabled={!references.data || n > 0} onAct={act} onClose={onClose} explain={refusal}>
      {n > 0 ? (
        <>
          <p>
            It cannot be deleted while {references.data?.truncated ? 'more than ' : ''}
            {plural(n, 'place')} {n === 1 ? 'refers' : 'refer'} to it: a rule that asks for a segment that is not there would break its flag. Take it out of these first:
          </p>
          <References project={project} references={references.data?.items ?? []} truncated={references.data?.truncated ?? false} />
        </>
      ) : (
        <p>Its condition and its lists go in every environment. Nothing refers to it, so nobody’s flags change. The log can bring it back.</p>
      )}
    </ActDialog>
  )
}

// refusal: somebody began to use it, or changed it, between the look and the deed.
function refusal(err: unknown) {
  if (!(err instanceof ProblemError)) return undefined
  if (err.status === 412) return <p role="alert">Somebody changed it meanwhile, and it is still there. Close this, look again, and decide anew.</p>
  if (err.code !== 'referenced') return undefined
  return (
    <div role="alert">
      <p>It was not deleted, since it is used:</p>
      <ul className={classes.refusal}>
        {(err.problem.errors ?? []).map((e) => (
          <li key={e.detail}>{e.detail}</li>
        ))}
      </ul>
    </div>
  )
}

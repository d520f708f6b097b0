import { Skeleton } from '@mantine/core'
import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Schemas } from '../../api/client'
import { restore } from '../../api/log'
import { ProblemError } from '../../api/problem'
import { flagQuery, keys, targetingQuery } from '../../api/queries'
import { segmentEnvironmentQuery, segmentQuery } from '../../api/segments'
import { ActDialog } from '../../components/ActDialog'
import { Choice } from '../../components/Choice'
import { DiffView } from '../../components/DiffView'
import { ProblemAlert } from '../../components/ProblemAlert'
import { count } from '../../components/time'
import { toast } from '../../components/toast'
import { DocumentName } from './Details'
import classes from './Log.module.css'
import { type LogEntry, parseDocument, restorable } from './entry'
import { linesOf } from './lines'

type Change = Schemas['LogChange']
type Way = 'back' | 'undo'

// RestoreDialog brings documents back to what they were right after a revision, or takes one change back, and shows first what that does today.
export function RestoreDialog({ project, entry, onClose }: { project: string; entry: LogEntry; onClose: () => void }) {
  const queries = useQueryClient()
  const changes = (entry.changes ?? []).filter((c) => restorable(parseDocument(c.document)))
  const undone = undoable(entry)
  const [way, setWay] = useState<Way>('back')
  const preview = useQuery({
    queryKey: ['p', project, 'restore', entry.revision],
    queryFn: () => Promise.all(changes.map((c) => current(queries, project, c))),
    staleTime: 0,
    gcTime: 0,
  })
  const wanted = (c: Change) => (way === 'back' ? c.after : c.before)
  const lines = changes.map((c, i) => linesOf({ ...c, before: preview.data?.[i], after: wanted(c) }))
  const nothing = preview.data !== undefined && lines.every((l) => l.length === 0)
  const act = async (reason: string) => {
    const { data } = await restore(project, way === 'back' ? entry.revision : entry.revision - 1, way === 'back' ? {} : (undone ?? {}), reason)
    // The event stream makes stale what this changed; with it lost, this does.
    void queries.invalidateQueries({ queryKey: keys.all(project), predicate: (q) => q.queryKey[2] !== 'entries' && q.queryKey[2] !== 'restore' })
    toast(data.documents.length === 0 ? 'It was so already' : `Restored, as revision ${count(data.revision)}`)
    onClose()
  }
  return (
    <ActDialog title={`Restore revision ${count(entry.revision)}`} act={way === 'back' ? 'Restore' : 'Undo the change'} size="xl" disabled={!preview.data || nothing} onAct={act} onClose={onClose}>
      {undone && (
        <Choice
          label="What to restore"
          value={way}
          onChange={(value) => setWay(value as Way)}
          options={[
            { value: 'back', label: 'Back to this state' },
            { value: 'undo', label: 'Undo this change' },
          ]}
        />
      )}
      <p>
        {way === 'back' ? 'What this change wrote is written again, as a new change.' : 'What was before this change is written again, as a new change.'} Kills are left alone, and everyone who was in a cohort then is in
        it again.
      </p>
      {preview.isPending && (
        <div role="status" aria-label="Comparing with what is there now">
          <Skeleton height={12} width="60%" mb={8} />
          <Skeleton height={12} width="40%" />
        </div>
      )}
      {preview.isError && <ProblemAlert error={preview.error} retry={() => void preview.refetch()} />}
      {preview.data &&
        (nothing ? (
          <p className={classes.dim}>It is so already: nothing would change.</p>
        ) : (
          <section className={classes.preview} aria-label="What changes, from now to then">
            {changes.map((c, i) => (
              <div key={c.document} className={classes.document}>
                <h3>
                  <DocumentName project={project} document={c.document} />
                </h3>
                <DiffView lines={lines[i] ?? []} />
              </div>
            ))}
          </section>
        ))}
    </ActDialog>
  )
}

// undoable: the one targeting that a change was about. Anything larger is brought back by its state, not by taking one change out of it.
function undoable(entry: LogEntry): { flag: string; environment: string } | undefined {
  const [only, more] = entry.changes ?? []
  if (!only || more || only.before === undefined || entry.revision < 2) return undefined
  const place = parseDocument(only.document)
  return place.kind === 'targeting' && place.environment ? { flag: place.key, environment: place.environment } : undefined
}

// current reads a document as it is now; undefined: it is not there.
async function current(queries: QueryClient, project: string, { document }: Change): Promise<unknown> {
  const place = parseDocument(document)
  const environment = place.environment ?? ''
  const fresh = { staleTime: 0 }
  try {
    switch (place.kind) {
      case 'flag':
        return await queries.fetchQuery({ ...flagQuery(project, place.key), ...fresh })
      case 'targeting':
        return await queries.fetchQuery({ ...targetingQuery(project, place.key, environment), ...fresh })
      case 'segment':
        return await queries.fetchQuery({ ...segmentQuery(project, place.key), ...fresh })
      case 'segmentlist':
        return await queries.fetchQuery({ ...segmentEnvironmentQuery(project, place.key, environment), ...fresh })
    }
  } catch (err) {
    if (!(err instanceof ProblemError && err.status === 404)) throw err
  }
  return undefined
}

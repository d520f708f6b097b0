import { Button, Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { entryQuery } from '../../api/log'
import { useMay } from '../../app/rights'
import { DiffView } from '../../components/DiffView'
import { ProblemAlert } from '../../components/ProblemAlert'
import { exactTime } from '../../components/time'
import { toast } from '../../components/toast'
import classes from './Log.module.css'
import { RestoreDialog } from './RestoreDialog'
import { type LogEntry, parseDocument, restorable } from './entry'
import { linesOf } from './lines'

// Details are read when somebody looks: what each document was before and after.
export function Details({ project, entry }: { project: string; entry: LogEntry }) {
  const full = useQuery(entryQuery(project, entry.revision))
  const [restoring, setRestoring] = useState(false)
  const changes = full.data?.changes ?? []
  const may = useMay('editor')
  const back = may && changes.some((c) => restorable(parseDocument(c.document)))
  return (
    <div className={classes.details}>
      {full.isPending && (
        <div role="status" aria-label="Loading the change">
          <Skeleton height={12} width="60%" mb={8} />
          <Skeleton height={12} width="40%" />
        </div>
      )}
      {full.isError && <ProblemAlert error={full.error} retry={() => void full.refetch()} />}
      {full.data && changes.length === 0 && <p className={classes.dim}>It changed no document that people write.</p>}
      {changes.map((c) => (
        <div key={c.document} className={classes.document}>
          <h3>
            <DocumentName project={project} document={c.document} />
          </h3>
          <DiffView lines={linesOf(c)} label={`Changes of ${c.document}`} />
        </div>
      ))}
      <dl className={classes.facts}>
        <Fact name="When">{exactTime(entry.at)}</Fact>
        <Fact name="By">
          <span className="mono">{entry.actor}</span>
          {entry.address && ` from ${entry.address}`}
        </Fact>
        <Fact name="Verb">
          <span className="mono">{entry.verb}</span>
        </Fact>
        {entry.hash && (
          <Fact name="Hash">
            <span className={`mono ${classes.hash}`}>{entry.hash}</span>
          </Fact>
        )}
      </dl>
      <div className={classes.acts}>
        {back && (
          <Button size="xs" onClick={() => setRestoring(true)}>
            Restore…
          </Button>
        )}
        <Button size="xs" onClick={() => void copyLink(project, entry.revision)}>
          Copy link
        </Button>
      </div>
      {restoring && full.data && <RestoreDialog project={project} entry={full.data} onClose={() => setRestoring(false)} />}
    </div>
  )
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

async function copyLink(project: string, revision: number) {
  await navigator.clipboard.writeText(`${location.origin}/p/${encodeURIComponent(project)}/log?rev=${revision}`)
  toast(`Copied the link to revision ${revision}`)
}

// DocumentName leads to what a document is about, as far as it has a page.
export function DocumentName({ project, document }: { project: string; document: string }) {
  const place = parseDocument(document)
  const where = place.environment ? ` in ${place.environment}` : ''
  switch (place.kind) {
    case 'flag':
      return (
        <Link to="/p/$project/flags/$flag" params={{ project, flag: place.key }}>
          {place.key}
        </Link>
      )
    case 'targeting':
      return (
        <>
          <Link to="/p/$project/flags/$flag" params={{ project, flag: place.key }} search={{ env: place.environment }}>
            {place.key}
          </Link>
          {where}
        </>
      )
    case 'segment':
    case 'segmentlist':
      return (
        <>
          segment{' '}
          <Link to="/p/$project/segments/$segment" params={{ project, segment: place.key }} search={place.environment ? { env: place.environment } : {}}>
            {place.key}
          </Link>
          {where}
        </>
      )
    case 'kill':
      return <>kill{where}</>
    case 'environment':
      return <>environment {place.key}</>
    case 'project':
      return <>project {place.key}</>
  }
  return <>{document}</>
}

import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { entryQuery } from '../../api/log'
import { ProblemAlert } from '../../components/ProblemAlert'
import { RelativeTime } from '../../components/RelativeTime'
import { RowsSkeleton } from '../../components/RowsSkeleton'
import { count } from '../../components/time'
import { Details } from './Details'
import { Sentence } from './Entries'
import classes from './Log.module.css'
import type { Who } from './actors'

const route = getRouteApi('/p/$project/log')

// One is the change that a link names (?rev=41): it is there whatever the filter shows, and however long ago it was.
export function One({ project, revision, name }: { project: string; revision: number; name: (e: Who) => string }) {
  const entry = useQuery(entryQuery(project, revision))
  const navigate = route.useNavigate()
  return (
    <section className={classes.one} aria-labelledby="one">
      <div className={classes.oneHead}>
        <h2 id="one">Revision {count(revision)}</h2>
        {entry.data && <RelativeTime at={entry.data.at} />}
        <Button size="compact-sm" variant="subtle" ml="auto" onClick={() => void navigate({ search: ({ rev: _, ...rest }) => rest })}>
          Close
        </Button>
      </div>
      {entry.isPending && <RowsSkeleton rows={2} label="Loading the revision" />}
      {entry.isError && <ProblemAlert error={entry.error} retry={() => void entry.refetch()} />}
      {entry.data && (
        <>
          <Sentence entry={entry.data} name={name} />
          <Details project={project} entry={entry.data} />
        </>
      )}
    </section>
  )
}

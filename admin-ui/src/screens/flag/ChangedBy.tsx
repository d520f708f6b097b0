import { useQuery } from '@tanstack/react-query'
import type { Place } from '../../api/flag'
import { entryQuery } from '../../api/log'
import { RelativeTime } from '../../components/RelativeTime'

// ChangedBy says who made a version, which is the revision of that change.
export function ChangedBy({ at, version }: { at: Place; version: number | undefined }) {
  const { data } = useQuery({ ...entryQuery(at.project, version ?? 0), enabled: version !== undefined })
  if (!data) return <b>Somebody else has changed this meanwhile.</b>
  return (
    <>
      <b>{data.actorName || data.actor} has changed this meanwhile</b>, <RelativeTime at={data.at} />
      {data.reason ? `: “${data.reason}”.` : '.'}
    </>
  )
}


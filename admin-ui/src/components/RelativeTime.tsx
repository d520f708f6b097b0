import { Tooltip } from '@mantine/core'
import { useNow } from './now'
import { ago, exactTime } from './time'

// RelativeTime says how long ago something was, kept current; the exact time is in a tip on hover and on focus.
export function RelativeTime({ at, short }: { at: string; short?: boolean }) {
  const now = useNow()
  const exact = exactTime(at)
  return (
    <Tooltip label={exact}>
      <time dateTime={at} tabIndex={0}>
        {ago(Date.parse(at), now, short)}
      </time>
    </Tooltip>
  )
}

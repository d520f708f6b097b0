import { useState } from 'react'

// useLastError keeps the error of a query that asks again by itself until there is data: while it asks, the query has no error, and the screen would
// blink between the error and the skeleton.
export function useLastError({ data, error }: { data: unknown; error: unknown }): unknown {
  const [last, setLast] = useState<unknown>(null)
  const now = data !== undefined ? null : (error ?? last)
  if (now !== last) setLast(now)
  return now
}

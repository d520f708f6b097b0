import { useInfiniteQuery } from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { flagsQuery } from './queries'

// useAllFlags loads page after page until it has all flags of a project with their states; what is there can be shown meanwhile.
export function useAllFlags(project: string, archived = false) {
  const query = useInfiniteQuery(flagsQuery(project, archived))
  const { hasNextPage, isFetching, isError, fetchNextPage, data } = query
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage()
  }, [hasNextPage, isFetching, isError, fetchNextPage, data])
  const items = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data])
  return { items, complete: data !== undefined && !hasNextPage, query }
}

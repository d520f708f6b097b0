import type { InfiniteData, QueryClient } from '@tanstack/react-query'
import { type Schemas, ask, client } from './client'
import { keys } from './queries'

export type FlagState = Schemas['FlagState']
type Pages = InfiniteData<Schemas['FlagList'], string>

// replaceFlag gives the pages with one flag as it is now: in its place by key, or not at all. What was not changed keeps its identity.
export function replaceFlag(data: Pages, key: string, now: FlagState | undefined): Pages {
  const pages = data.pages.map((page) => {
    const at = page.items.findIndex((each) => each.flag.key === key)
    if (at < 0) return page
    return { ...page, items: now ? page.items.with(at, now) : page.items.toSpliced(at, 1) }
  })
  if (now === undefined || pages.some((page, n) => page !== data.pages[n])) return { ...data, pages }
  // A new one: into the page that reaches beyond its key, or the last if that one is complete.
  const into = pages.findIndex((page, n) => (page.items.at(-1)?.flag.key ?? '') > key || (n === pages.length - 1 && !page.next))
  const page = pages[into]
  if (!page) return data // it comes with a page that is not loaded yet
  const before = page.items.findIndex((each) => each.flag.key > key)
  pages[into] = { ...page, items: page.items.toSpliced(before < 0 ? page.items.length : before, 0, now) }
  return { ...data, pages }
}

// refreshFlags loads these flags anew into the lists that are on screen.
export async function refreshFlags(queries: QueryClient, project: string, flags: string[]): Promise<void> {
  const lists = [false, true].filter((archived) => queries.getQueryData(keys.flags(project, archived)) !== undefined)
  await Promise.all(
    lists.flatMap((archived) =>
      flags.map(async (flag) => {
        const list = await ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { flag, archived: archived || undefined } } }))
        queries.setQueryData<Pages>(keys.flags(project, archived), (data) => data && replaceFlag(data, flag, list.items[0]))
      }),
    ),
  )
}

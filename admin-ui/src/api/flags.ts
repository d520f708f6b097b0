import { type InfiniteData, type QueryClient, queryOptions } from '@tanstack/react-query'
import { type Schemas, ask, change, client, once } from './client'
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

// Of two loads of one flag that are on their way at once, the answer to the later request is shown, whichever comes first.
let requests = 0
const latest = new Map<string, number>()

// refreshFlags loads these flags anew into the lists that are on screen.
export async function refreshFlags(queries: QueryClient, project: string, flags: string[]): Promise<void> {
  const lists = [false, true].filter((archived) => queries.getQueryData(keys.flags(project, archived)) !== undefined)
  await Promise.all(
    lists.flatMap((archived) =>
      flags.map(async (flag) => {
        const name = `${project}/${flag}/${archived}`
        const request = ++requests
        latest.set(name, request)
        const list = await ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { flag, archived: archived || undefined } } }))
        if (latest.get(name) !== request) return
        latest.delete(name)
        queries.setQueryData<Pages>(keys.flags(project, archived), (data) => data && replaceFlag(data, flag, list.items[0]))
      }),
    ),
  )
}

// setArchived archives a flag, which serves off everywhere then, or brings it back, off everywhere.
export function setArchived(project: string, flag: string, archived: boolean, reason = '') {
  const options = { params: { path: { project, flag }, header: once() }, body: { reason } }
  return change(archived ? client.POST('/v1/projects/{project}/flags/{flag}/archive', options) : client.POST('/v1/projects/{project}/flags/{flag}/unarchive', options))
}

export type NewFlag = Schemas['NewFlag']

export function createFlag(project: string, flag: NewFlag, key: string) {
  return change(client.POST('/v1/projects/{project}/flags', { params: { path: { project }, header: once(key) }, body: flag }))
}

// tagsQuery gives every tag of the project's flags, from the list that is mostly there already.
export function tagsQuery(project: string) {
  return queryOptions({
    queryKey: [...keys.flags(project), 'tags'] as const,
    queryFn: async ({ signal, client: queries }) => {
      const there = queries.getQueryData<Pages>(keys.flags(project))
      const whole = there !== undefined && !there.pages.at(-1)?.next
      const tags = new Set<string>()
      const add = (items: readonly FlagState[]) => items.forEach((each) => each.flag.tags?.forEach((tag) => tags.add(tag)))
      if (whole) there.pages.forEach((page) => add(page.items))
      for (let cursor: string | undefined = whole ? undefined : ''; cursor !== undefined; ) {
        const page: Schemas['FlagList'] = await ask(
          client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { limit: 1000, cursor: cursor || undefined } }, signal }),
        )
        add(page.items)
        cursor = page.next || undefined
      }
      return [...tags].sort()
    },
  })
}

// taggedQuery gives the flags that carry a tag: all of them up to 1,000.
export function taggedQuery(project: string, tag: string) {
  return queryOptions({
    queryKey: [...keys.flags(project), 'tagged', tag] as const,
    queryFn: ({ signal }) => ask(client.GET('/v1/projects/{project}/flags', { params: { path: { project }, query: { tag, limit: 1000 } }, signal })),
  })
}

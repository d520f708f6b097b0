import type { Schemas } from '../api/client'

// Stale is what a change made stale: flags by key, and query keys below the project's.
export type Stale = { flags: string[]; keys: (readonly string[])[] }

// staleAfter reads a log entry as the event stream sends it: its documents without their contents. What it does not know makes everything
// stale (undefined): rather a load too much than a wrong screen.
export function staleAfter(entry: Schemas['LogEntry']): Stale | undefined {
  const flags = new Set<string>()
  const keys: (readonly string[])[] = [['log'], ['instances']]
  const documents = entry.changes ?? []
  if (documents.length === 0) return undefined
  for (const { document } of documents) {
    const [collection, ...id] = document.split('/')
    const last = id.at(-1)
    switch (collection) {
      case 'flag':
        if (last === undefined) return undefined
        flags.add(last)
        keys.push(['flag', last])
        break
      case 'targeting': {
        const [environment, flag] = id
        if (environment === undefined || flag === undefined) return undefined
        flags.add(flag)
        keys.push(['targeting', flag, environment])
        break
      }
      case 'kill': {
        const flag = /^flag\/(.+)@/.exec(entry.target)?.[1]
        if (flag === undefined) return undefined // by tag, or a restore
        flags.add(flag)
        keys.push(['kills', flag], ['targeting', flag])
        break
      }
      case 'segment':
      case 'segmentlist':
        keys.push(['segments'], ['segment'])
        break
      default:
        return undefined
    }
  }
  return { flags: [...flags], keys }
}

// Entry is what is needed of a log entry here: its documents, without their contents.
export type Entry = { changes?: readonly { kind: string; key: string; environment?: string }[]; truncated?: boolean }

// Stale is what a change made stale: flags by key, and query keys below the project's.
export type Stale = { flags: string[]; keys: (readonly string[])[] }

// staleAfter reads a log entry as the event stream sends it. What it does not know makes everything stale (undefined): rather a load too much than
// a wrong screen.
export function staleAfter({ changes = [], truncated }: Entry): Stale | undefined {
  if (truncated || changes.length === 0) return undefined
  const flags = new Set<string>()
  const keys = new Map<string, readonly string[]>()
  const add = (...key: string[]) => keys.set(key.join('/'), key)
  add('log')
  add('instances')
  for (const { kind, key, environment = '' } of changes) {
    switch (kind) {
      case 'flag':
        flags.add(key)
        add('flag', key)
        break
      case 'targeting':
        flags.add(key)
        add('flag', key)
        add('targeting', key, environment)
        add('targetings', environment)
        break
      case 'kill':
        flags.add(key)
        add('flag', key)
        add('kills', key, environment)
        add('targeting', key, environment)
        break
      case 'segment':
      case 'segmentEnvironment':
        add('segments')
        add('segment', key)
        break
      case 'token':
        add('tokens')
        break
      default:
        return undefined
    }
  }
  return { flags: [...flags], keys: [...keys.values()] }
}

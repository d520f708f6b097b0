import { everything } from '../../api/log'
import { csvRow } from './csv'
import { type LogEntry, type LogFilter, parseTarget } from './entry'

const header = ['revision', 'epoch', 'time', 'actor', 'actor name', 'verb', 'target', 'flag', 'environment', 'reason', 'address', 'hash']

/** An entry as a line of the exported file. */
export function csvLine(e: LogEntry, name: string): string {
  const target = parseTarget(e.target)
  return csvRow([e.revision, e.epoch, e.at, e.actor, name, e.verb, e.target, target.flag, target.environment, e.reason, e.address, e.hash])
}

/** Writes everything that a filter means into one file; told says how many entries there are so far. */
export async function exportLog(project: string, filter: LogFilter, name: (e: LogEntry) => string, told: (n: number) => void, signal: AbortSignal): Promise<Blob> {
  const parts = ['\ufeff' + csvRow(header)]
  let n = 0
  for await (const items of everything(project, filter, signal)) {
    parts.push(items.map((e) => csvLine(e, name(e))).join(''))
    told((n += items.length))
  }
  return new Blob(parts, { type: 'text/csv;charset=utf-8' })
}

/** Offers a file to the person as a download. */
export function download(content: Blob, name: string) {
  const url = URL.createObjectURL(content)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  document.body.append(link)
  link.click()
  link.remove()
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

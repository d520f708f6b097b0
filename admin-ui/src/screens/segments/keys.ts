// Keys of a segment's lists: how pasted text becomes keys, and keys become requests.

/** What a server takes at once: keys, and bytes of a body with room for what is around them. */
export const maxKeys = 1000
export const maxBody = 240 * 1024
const maxKeyBytes = 1024

export interface BadKey {
  line: number // counted from 1
  text: string // shortened
  why: string
}

export interface ParsedKeys {
  keys: string[] // each once, in the order of the text
  duplicates: number
  bad: BadKey[] // at most 20 of them
  badCount: number
}

const encoder = new TextEncoder()

/**
 * Reads keys from text, one a line: keys may hold commas and spaces. White space around a key is dropped, and so are empty lines. Quotes that a
 * spreadsheet puts around a whole line are taken off.
 */
export function parseKeys(text: string): ParsedKeys {
  const seen = new Set<string>()
  const out: ParsedKeys = { keys: [], duplicates: 0, bad: [], badCount: 0 }
  const refuse = (line: number, key: string, why: string) => {
    out.badCount++
    if (out.bad.length < 20) out.bad.push({ line, text: key.length > 40 ? `${key.slice(0, 40)}…` : key, why })
  }
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/)
  lines.forEach((raw, i) => {
    const key = unquote(raw.trim())
    if (key === '') return
    if (key.length > maxKeyBytes || encoder.encode(key).length > maxKeyBytes) {
      refuse(i + 1, key, `is longer than ${maxKeyBytes.toLocaleString('en')} bytes`)
      return
    }
    if (seen.has(key)) {
      out.duplicates++
      return
    }
    seen.add(key)
    out.keys.push(key)
  })
  return out
}

function unquote(line: string): string {
  if (line.length < 2 || !line.startsWith('"') || !line.endsWith('"')) return line
  const inner = line.slice(1, -1)
  return /(^|[^"])("")*"([^"]|$)/.test(inner) ? line : inner.replaceAll('""', '"')
}

/** Cuts keys into requests, none of them with more keys or a larger body than the server takes. */
export function chunkKeys(keys: readonly string[], count = maxKeys, bytes = maxBody): string[][] {
  const out: string[][] = []
  let chunk: string[] = []
  let size = 0
  for (const key of keys) {
    const cost = encoder.encode(JSON.stringify(key)).length + 1
    if (chunk.length > 0 && (chunk.length >= count || size + cost > bytes)) {
      out.push(chunk)
      chunk = []
      size = 0
    }
    chunk.push(key)
    size += cost
  }
  if (chunk.length > 0) out.push(chunk)
  return out
}

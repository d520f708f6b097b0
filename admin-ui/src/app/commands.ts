// What the palette understands: pure functions from what is typed to what can be done.

export type Verb = 'open' | 'kill' | 'ramp' | 'on' | 'off'

export type Command = {
  verb: Verb | undefined
  // Words that the flag's key or name has to contain.
  flag: string
  // A share as it was typed: 12.5
  percent: string | undefined
  // As typed: the beginning of an environment's key or name.
  environment: string | undefined
}

const verbs: Record<string, Verb> = { kill: 'kill', ramp: 'ramp', on: 'on', off: 'off', open: 'open', 'turn on': 'on', 'turn off': 'off', 'go to': 'open', show: 'open' }

// parseCommand reads "kill new-checkout in production", "ramp new-checkout 25 % in staging", "ramp new-checkout to 12.5", "new-ch". It refuses nothing: what
// is no verb is the name of a flag.
export function parseCommand(input: string): Command {
  let rest = input.trim().replace(/\s+/g, ' ')
  let verb: Verb | undefined
  for (const [word, meaning] of Object.entries(verbs)) {
    const [lower, start] = [rest.toLowerCase(), `${word} `]
    if (lower === word || lower.startsWith(start)) {
      verb = meaning
      rest = rest.slice(word.length).trim()
      break
    }
  }
  let environment: string | undefined
  const where = /^(.*?)(?:^| )(?:in|@|-e)(?: (\S*))?$/i.exec(rest)
  if (where && verb !== undefined) {
    rest = where[1] ?? ''
    environment = where[2] || undefined
  }
  let percent: string | undefined
  if (verb === 'ramp') {
    const share = /^(.*?)(?:^| )(?:to )?(\d+(?:[.,]\d+)?) ?%?$/.exec(rest)
    if (share) {
      rest = share[1] ?? ''
      percent = share[2]
    } else rest = rest.replace(/ to$/, '')
  }
  return { verb, flag: rest.trim(), percent, environment }
}

// rank says how well a key fits what was typed: the higher the better, 0 not at all. A whole key beats its beginning, this the beginning of one of
// its words, this a part, this its letters in order.
export function rank(key: string, name: string, typed: string): number {
  const want = typed.toLowerCase()
  if (want === '') return 1
  const k = key.toLowerCase()
  if (k === want) return 100
  if (k.startsWith(want)) return 80
  const words = want.split(/[\s\-_.]+/).filter(Boolean)
  const parts = `${k} ${name.toLowerCase()}`.split(/[\s\-_.]+/)
  if (words.length > 0 && words.every((word) => parts.some((part) => part.startsWith(word)))) return 60
  if (k.includes(want)) return 40
  if (name.toLowerCase().includes(want)) return 30
  let at = 0
  for (const letter of k) if (letter === want[at]) at++
  return at === want.length && want.length > 1 ? 10 : 0
}

// best gives the flags that fit, the best first; of equals the shorter key, then the alphabet.
export function best<T extends { key: string; name?: string }>(flags: Iterable<T>, typed: string, most: number): T[] {
  const found: { flag: T; score: number }[] = []
  for (const flag of flags) {
    const score = rank(flag.key, flag.name ?? '', typed)
    if (score > 0) found.push({ flag, score })
  }
  found.sort((a, b) => b.score - a.score || a.flag.key.length - b.flag.key.length || (a.flag.key < b.flag.key ? -1 : 1))
  return found.slice(0, most).map((each) => each.flag)
}

// fitting are the environments that were meant; all of them when none was named. For a kill production comes first, for the rest it comes last.
export function fitting<T extends { key: string; name?: string; production?: boolean }>(environments: readonly T[], typed: string | undefined, verb: Verb | undefined): T[] {
  const want = typed?.toLowerCase() ?? ''
  const meant = environments.filter((e) => e.key.toLowerCase().startsWith(want) || (e.name ?? '').toLowerCase().startsWith(want))
  return verb === 'kill' ? meant.toSorted((a, b) => Number(b.production === true) - Number(a.production === true)) : meant
}

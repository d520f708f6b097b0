import type { Schemas } from '../../api/client'

// What a log entry says, in words.

export type LogEntry = Schemas['LogEntry']

/** What was changed, as far as a target tells: flag/KEY@ENV, segment/KEY@ENV, environment/KEY, tag/KEY@ENV, revision/N/flag/KEY@ENV, project/KEY. */
export interface Target {
  kind: 'flag' | 'segment' | 'environment' | 'tag' | 'revision' | 'project' | 'other'
  key: string
  environment?: string
  flag?: string // of a restore
}

export function parseTarget(target: string): Target {
  const at = target.lastIndexOf('@')
  const environment = at >= 0 ? target.slice(at + 1) : undefined
  const place = at >= 0 ? target.slice(0, at) : target
  const [kind = '', key = '', ...rest] = place.split('/')
  switch (kind) {
    case 'revision':
      return { kind, key, ...(rest[0] === 'flag' && rest[1] ? { flag: rest[1] } : {}), ...(environment ? { environment } : {}) }
    case 'environment':
      return { kind, key, environment: key }
    case 'flag':
      return { kind, key, flag: key, ...(environment ? { environment } : {}) }
    case 'segment':
    case 'tag':
      return { kind, key, ...(environment ? { environment } : {}) }
    case 'project':
      return { kind, key }
  }
  return { kind: 'other', key: target }
}

const words: Record<string, string> = {
  'environment.create': 'created',
  'environment.delete': 'deleted',
  'environment.update': 'changed',
  'flag.archive': 'archived',
  'flag.create': 'created',
  'flag.delete': 'deleted',
  'flag.reshuffle': 'reshuffled',
  'flag.unarchive': 'brought back',
  'flag.update': 'changed',
  kill: 'killed',
  'kill.clear': 'cleared a kill of',
  'kill.restore': 'restored kills in',
  'kill.tag': 'killed everything tagged',
  'project.activate': 'opened',
  'project.create': 'created',
  'project.delete': 'deleted',
  'project.forget': 'removed',
  'project.update': 'changed',
  restore: 'restored',
  seed: 'seeded',
  'segment.activation': 'changed the activation of',
  'segment.create': 'created',
  'segment.delete': 'deleted',
  'segment.list': 'edited a list of',
  'segment.update': 'changed',
  'targeting.off': 'turned off',
  'targeting.on': 'turned on',
  'targeting.ramp': 'ramped',
  'targeting.update': 'changed the targeting of',
}

/** A verb as a word of a sentence: "ramped". One that is not known is shown as it is. */
export function verbWord(verb: string): string {
  return words[verb] ?? verb
}

/** How an entry is marked: what it does to people. Only a kill is red. */
export type Tone = 'kill' | 'exposure' | 'plain'

export function toneOf(verb: string): Tone {
  if (verb === 'kill' || verb === 'kill.tag' || verb === 'kill.restore') return 'kill'
  if (verb === 'targeting.ramp' || verb === 'targeting.on' || verb === 'targeting.off') return 'exposure'
  return 'plain'
}

/** The entry's subject for a table or a file. */
export function subjectOf(target: Target): string {
  switch (target.kind) {
    case 'revision':
      return target.flag ? `flag ${target.flag} to revision ${target.key}` : target.environment ? `${target.environment} to revision ${target.key}` : `revision ${target.key}`
    case 'other':
      return target.key
    case 'flag':
      return target.key
  }
  return `${target.kind} ${target.key}`
}

/** Collection and id of a document: targeting/production/new-checkout → targeting, production, new-checkout. */
export interface DocumentPlace {
  kind: 'flag' | 'targeting' | 'segment' | 'segmentlist' | 'kill' | 'environment' | 'project' | 'other'
  environment?: string
  key: string
}

export function parseDocument(document: string): DocumentPlace {
  const parts = document.split('/')
  const [kind, a = '', b = ''] = parts
  switch (kind) {
    case 'flag':
    case 'segment':
    case 'project':
      return parts.length === 2 ? { kind, key: a } : { kind: 'other', key: document }
    case 'environment':
      return { kind, key: a, environment: a }
    case 'targeting':
    case 'kill':
      return { kind, environment: a, key: b }
    case 'segmentlist':
      return { kind, key: a, environment: b }
  }
  return { kind: 'other', key: document }
}

export interface LogFilter {
  flag?: string
  environment?: string
  actor?: string
}

/** What a restore can bring back; kills and environments it leaves alone. */
export function restorable(place: DocumentPlace): boolean {
  return place.kind === 'flag' || place.kind === 'targeting' || place.kind === 'segment' || place.kind === 'segmentlist'
}

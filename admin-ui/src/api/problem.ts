import type { components } from './schema.gen'

export type Problem = components['schemas']['Problem']

// ProblemError is what every failed call throws: a problem document of the server, or one made here when there is none, because the server
// could not be reached (status 0) or something else answered in its place.
export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title)
    this.name = 'ProblemError'
    this.problem = problem
  }

  get status(): number {
    return this.problem.status
  }

  get code(): string {
    return this.problem.code
  }

  // fields maps JSON pointers of the request's body to what is wrong there. An error without a pointer is under ''.
  get fields(): Record<string, string> {
    const { detail, title, pointer, errors } = this.problem
    const found: Record<string, string> = {}
    for (const e of errors ?? []) found[e.pointer ?? ''] ??= e.detail
    if (pointer !== undefined) found[pointer] ??= detail ?? title
    return found
  }
}

export function asProblem(err: unknown): ProblemError {
  if (err instanceof ProblemError) return err
  if (err instanceof DOMException && err.name === 'AbortError') return made(0, 'aborted', 'The request was stopped')
  if (err instanceof TypeError) return made(0, 'unavailable', 'Dimmer cannot be reached', 'The connection failed. Nothing was changed by this page unless it says so.')
  return made(0, 'internal', 'This page made a mistake', err instanceof Error ? err.message : String(err))
}

// problemOf reads the body of an answer that is not 2xx.
export function problemOf(body: unknown, response: Response): ProblemError {
  if (isProblem(body)) return new ProblemError(body)
  return made(response.status, 'unexpected', `The answer was ${response.status} ${response.statusText}`.trim(), 'It did not come from Dimmer: a proxy may stand between.')
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'title' in body && 'code' in body && 'status' in body
}

function made(status: number, code: string, title: string, detail?: string): ProblemError {
  return new ProblemError({ type: 'about:blank', title, status, code, id: '', detail })
}

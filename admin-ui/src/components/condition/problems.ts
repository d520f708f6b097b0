import { createContext, useContext } from 'react'
import type { Problems } from '../../lib/draft'

/** What is wrong with the document that is being edited, by JSON pointer: told by the server, or known before it is asked. */
export const ProblemsContext = createContext<Problems>({})

/** What is wrong exactly at one of these pointers. */
export function useProblem(...pointers: string[]): string | undefined {
  const problems = useContext(ProblemsContext)
  for (const p of pointers) if (problems[p] !== undefined) return problems[p]
  return undefined
}

/** The first thing that is wrong at a pointer or below it. */
export function useProblemBelow(pointer: string): string | undefined {
  const problems = useContext(ProblemsContext)
  for (const [p, detail] of Object.entries(problems)) if (p === pointer || p.startsWith(`${pointer}/`)) return detail
  return undefined
}

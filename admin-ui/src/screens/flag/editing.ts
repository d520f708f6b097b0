import { createContext, useContext } from 'react'
import type { Preview } from '../../api/flag'
import type { Surroundings } from '../../components/condition/ConditionEditor'
import type { Line } from '../../lib/hashline'
import { lineAt, lineOf } from '../../lib/hashline'
import { type Flag, type Serve, type Targeting, defaultRule } from '../../lib/model'

/** What the parts of the targeting editor share: the flag, what was saved, the draft with its hash lines, and what the server counted for it. */
export interface Editing {
  flag: Flag
  base: Targeting
  /** The draft, laid out as the server would do it. */
  draft: Targeting
  /** Why nobody sees this light now: the flag is off, killed or archived. */
  dark: string | undefined
  readOnly: boolean
  around: Surroundings
  counted: Preview | undefined
  edit: (change: (t: Targeting) => Targeting) => void
  setExposure: (id: string, buckets: number) => void
}

export const EditingContext = createContext<Editing | undefined>(undefined)

export function useEditing(): Editing {
  const editing = useContext(EditingContext)
  if (!editing) throw new Error('there is no editor around')
  return editing
}

/** The lines of a place before and after; a new rule has let nobody in before. */
export function linesOf({ base, draft }: Editing, id: string, serve: Serve): { before: Line; after: Line } {
  const after = lineOf(serve, id === defaultRule ? draft.off : '')
  const before = lineAt(base, id)
  return { before: before && comparable(before, after) ? before : { ...after, exposure: before ? before.exposure : 0 }, after }
}

function comparable(before: Line, after: Line): boolean {
  return before.ranges.length > 0 && after.ranges.length > 0
}

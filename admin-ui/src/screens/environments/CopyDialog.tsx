import { Checkbox, Skeleton } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { onceKey } from '../../api/client'
import { freshTargeting, preview, putTargeting } from '../../api/flag'
import { asProblem } from '../../api/problem'
import { keys } from '../../api/queries'
import { ActDialog } from '../../components/ActDialog'
import { DiffView } from '../../components/DiffView'
import { ProblemAlert } from '../../components/ProblemAlert'
import { plural } from '../../components/time'
import { toast } from '../../components/toast'
import { diffTargeting } from '../../lib/diff'
import type { Targeting } from '../../lib/model'
import classes from './Environments.module.css'
import { copied, differences, each } from './compare'

interface Props {
  project: string
  from: string
  to: string
  /** Whether the destination is production. */
  production: boolean
  nameOf: (environment: string) => string
  flags: readonly string[]
  onClose: () => void
}

interface Copy {
  flag: string
  before: Targeting
  after: Targeting
}

class Unfinished extends Error {}

// CopyDialog shows what a copy changes in each flag, and writes one after the other, each only when it is still as it is shown.
export function CopyDialog({ project, from, to, production, nameOf, flags, onClose }: Props) {
  const queries = useQueryClient()
  const [keepSwitch, setKeepSwitch] = useState(true)
  const [done, setDone] = useState<ReadonlySet<string>>(new Set())
  const [problems, setProblems] = useState<ReadonlyMap<string, string>>(new Map())
  const [all] = useState(flags)
  const left = all.filter((flag) => !done.has(flag))
  const now = useQuery({
    queryKey: ['p', project, 'copy', from, to, all],
    queryFn: async ({ signal }) => {
      const found = new Map<string, { source: Targeting; target: Targeting }>()
      await each(all, 4, signal, async (flag) => {
        const [source, target] = await Promise.all([freshTargeting({ project, flag, environment: from }), freshTargeting({ project, flag, environment: to })])
        found.set(flag, { source, target })
      })
      return found
    },
    gcTime: 0,
    staleTime: 0,
  })
  const copies = left.flatMap((flag): Copy[] => {
    const pair = now.data?.get(flag)
    return pair ? [{ flag, before: pair.target, after: copied(pair.source, pair.target, { keepSwitch }) }] : []
  })
  const writing = copies.filter((c) => differences(c.before, c.after).length > 0)

  const act = async (reason: string) => {
    const failed = new Map<string, string>()
    const finished = new Set(done)
    for (const { flag, before, after } of writing) {
      try {
        await putTargeting({ project, flag, environment: to }, after, before.version, reason, onceKey())
        finished.add(flag)
        setDone(new Set(finished))
      } catch (err) {
        const problem = asProblem(err)
        failed.set(flag, problem.status === 412 ? 'Somebody changed it meanwhile. Nothing was overwritten: below is what the copy would do now.' : problem.message)
        if (problem.status === 0 || problem.status >= 500) break
      }
    }
    setProblems(failed)
    void queries.invalidateQueries({ queryKey: ['p', project, 'targetings'] })
    void queries.invalidateQueries({ queryKey: keys.flags(project) })
    if (failed.size > 0) {
      await now.refetch()
      throw new Unfinished(`${plural(finished.size, 'flag')} copied, ${failed.size} not.`)
    }
    toast(`Copied ${plural(finished.size, 'flag')} to ${nameOf(to)}`)
    onClose()
  }
  return (
    <ActDialog
      title={`Copy to ${nameOf(to)}`}
      act={writing.length === 1 ? 'Copy it' : `Copy ${plural(writing.length, 'flag')}`}
      size="xl"
      reason="required"
      disabled={writing.length === 0}
      onAct={act}
      onClose={onClose}
      explain={(err) => (err instanceof Unfinished ? <p role="alert" className={classes.problem}>{err.message}</p> : undefined)}
    >
      <p>
        The targeting of {plural(all.length, 'flag')} in {nameOf(to)} becomes that of {nameOf(from)}: rules, prerequisites, variants served, exposure. Kills stay as they are.
        {production && <b> This changes production.</b>}
      </p>
      <Checkbox label={`Leave on and off as they are in ${nameOf(to)}`} checked={keepSwitch} onChange={(e) => setKeepSwitch(e.currentTarget.checked)} />
      {now.isPending && (
        <div role="status" aria-label="Reading the targeting">
          <Skeleton height={12} width="60%" mb={8} />
          <Skeleton height={12} width="40%" />
        </div>
      )}
      {now.isError && <ProblemAlert error={now.error} retry={() => void now.refetch()} />}
      {copies.length > 0 && (
        <ul className={classes.copies} aria-label={`What changes in ${nameOf(to)}`} tabIndex={0}>
          {copies.map((c) => (
            <li key={c.flag}>
              <div className={classes.copyHead}>
                <b>{c.flag}</b>
                <Shift project={project} to={to} copy={c} />
              </div>
              {problems.has(c.flag) && (
                <p role="alert" className={classes.problem}>
                  {problems.get(c.flag)}
                </p>
              )}
              <DiffView lines={diffTargeting(c.before, c.after)} label={`What changes in ${c.flag}`} />
            </li>
          ))}
        </ul>
      )}
    </ActDialog>
  )
}

// Shift says who would enter and leave by the default, as the server reckons it.
function Shift({ project, to, copy }: { project: string; to: string; copy: Copy }) {
  const text = JSON.stringify(copy.after)
  const { data } = useQuery({
    queryKey: ['p', project, 'preview', to, copy.flag, copy.before.version, text],
    queryFn: ({ signal }) => preview({ project, flag: copy.flag, environment: to }, copy.after, [], signal),
    retry: false,
  })
  const shift = data?.distributions.find((d) => d.rule === 'default')
  if (!shift || (shift.enter === 0 && shift.leave === 0 && shift.switch === 0 && !shift.redrawn)) return null
  if (shift.redrawn) return <span className={classes.shift}>everyone is drawn anew</span>
  const parts = [
    shift.enter > 0 ? `${shift.enterPercent} % enter` : '',
    shift.leave > 0 ? `${shift.leavePercent} % leave` : '',
    shift.switch > 0 ? `${shift.switchPercent} % switch` : '',
  ].filter(Boolean)
  return <span className={classes.shift}>{parts.join(', ')}</span>
}

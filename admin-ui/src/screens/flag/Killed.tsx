import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { type Place, type TargetingView, clearKill } from '../../api/flag'
import { keys, killsQuery } from '../../api/queries'
import type { Schemas } from '../../api/client'
import { ActDialog } from '../../components/ActDialog'
import { RelativeTime } from '../../components/RelativeTime'
import { KillIcon } from '../../components/icons'
import { toast } from '../../components/toast'
import { serveParts, text } from '../../lib/sentence'
import classes from './Flag.module.css'

type Kill = Schemas['Kill']

// Killed says that the flag is dead here, who did it, why and when, and leads back to life.
export function Killed({ at, targeting, readOnly }: { at: Place; targeting: TargetingView | undefined; readOnly: boolean }) {
  const { data } = useQuery({ ...killsQuery(at.project, at.flag, at.environment), enabled: targeting?.killed ?? false })
  const [clearing, setClearing] = useState<Kill>()
  const active = (data ?? []).filter((k) => !k.cleared)
  if (!targeting?.killed || active.length === 0) return null
  return (
    <section className={classes.killed} aria-label="Killed">
      {active.map((k) => (
        <div key={k.id} className={classes.kill}>
          <div className={classes.killWhat}>
            <p className={classes.killTitle}>
              <KillIcon size={18} /> Killed: everyone gets {targeting.off}
            </p>
            <p className={classes.killReason}>{k.reason || 'No reason was given.'}</p>
            <p className={classes.dim}>
              {k.byName || k.by}
              {k.tag && <> by the tag #{k.tag}</>}, <RelativeTime at={k.at} />
            </p>
          </div>
          {!readOnly && <Button onClick={() => setClearing(k)}>Clear this kill…</Button>}
        </div>
      ))}
      {clearing && <ClearDialog at={at} kill={clearing} last={active.length === 1} targeting={targeting} onClose={() => setClearing(undefined)} />}
    </section>
  )
}

function ClearDialog({ at, kill, last, targeting, onClose }: { at: Place; kill: Kill; last: boolean; targeting: TargetingView; onClose: () => void }) {
  const queries = useQueryClient()
  const clear = async (reason: string) => {
    await clearKill(at, kill.id, reason)
    toast(`${at.environment}: the kill of ${at.flag} is cleared`)
    onClose()
    await Promise.all([keys.kills(at.project, at.flag, at.environment), keys.targeting(at.project, at.flag, at.environment), keys.flag(at.project, at.flag)].map((queryKey) => queries.invalidateQueries({ queryKey })))
  }
  return (
    <ActDialog title={`Clear the kill of ${at.flag} in ${at.environment}?`} act="Clear the kill" reason="required" onAct={clear} onClose={onClose}>
      <p className={classes.plain}>
        Killed because: <b>{kill.reason || 'no reason was given'}</b>
      </p>
      <p className={classes.plain}>{last ? afterwards(targeting) : 'Other kills of this flag stay in force, so everyone goes on getting the off variant.'}</p>
    </ActDialog>
  )
}

function afterwards(t: TargetingView): string {
  if (!t.enabled) return `Its targeting is off, so everyone goes on getting ${t.off}.`
  const n = t.rules?.length ?? 0
  return `At once its targeting decides again: ${n ? `${n} ${n === 1 ? 'rule' : 'rules'}, then ` : ''}everyone${n ? ' else' : ''} gets ${text(serveParts(t.default, t.off))}.`
}

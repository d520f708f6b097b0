import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { onceKey } from '../../api/client'
import { rotateToken } from '../../api/tokens'
import { ActDialog } from '../../components/ActDialog'
import { Choice } from '../../components/Choice'
import { exactTime } from '../../components/time'
import type { Act } from './Tokens'
import type { Token } from './state'

const overlaps = [
  { value: '1h', label: '1 hour', ms: 3_600_000 },
  { value: '24h', label: '1 day', ms: 86_400_000 },
  { value: '168h', label: '1 week', ms: 7 * 86_400_000 },
  { value: '720h', label: '30 days', ms: 30 * 86_400_000 },
]

export function RotateToken({ project, token, onMade, onClose }: { project: string | undefined; token: Token; onMade: (act: Act) => void; onClose: () => void }) {
  const queries = useQueryClient()
  const [overlap, setOverlap] = useState('24h')
  const [key] = useState(onceKey)
  const ms = overlaps.find((o) => o.value === overlap)?.ms ?? 0
  const ends = new Date(Math.min(Date.now() + ms, token.expires ? Date.parse(token.expires) : Infinity)).toISOString()
  const act = async (reason: string) => {
    const { data } = await rotateToken(project, token.id, overlap, reason, key)
    void queries.invalidateQueries({ queryKey: project === undefined ? ['tokens'] : ['p', project, 'tokens'] })
    onMade({ kind: 'secret', token: data.token, secret: data.secret, old: { ...token, expires: ends } })
  }
  return (
    <ActDialog title={`Rotate ${token.name || token.id}`} act="Make the successor" onAct={act} onClose={onClose}>
      <p>A successor with the same rights is made, and its secret shown once. Until the old one ends both are good: put the new one in place, then nothing more is to be done.</p>
      <Choice label="The old one lives on for" value={overlap} options={overlaps} onChange={setOverlap} />
      <p>
        The old one ends on <b>{exactTime(ends)}</b>. It can be revoked before.
      </p>
    </ActDialog>
  )
}

import type { KillTarget } from './killing'

export function KillDialog({ onClose }: { target: KillTarget; onClose: () => void }) {
  return <button type="button" onClick={onClose}>…</button>
}

export function CreateFlag({ onClose }: { project: string; owners: readonly string[]; tags: readonly string[]; onClose: () => void }) {
  return <button type="button" onClick={onClose}>…</button>
}

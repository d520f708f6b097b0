export function PaletteDialog({ onClose }: { onClose: () => void }) {
  return <button type="button" onClick={onClose}>…</button>
}

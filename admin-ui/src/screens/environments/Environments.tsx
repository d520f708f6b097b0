export function Environments() {
  return <h1>Environments</h1>
}

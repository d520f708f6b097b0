export function Segments() {
  return <h1>Segments</h1>
}

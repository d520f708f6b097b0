export function Segment() {
  return <h1>Segment</h1>
}

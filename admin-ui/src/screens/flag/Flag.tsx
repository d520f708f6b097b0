export function Flag() {
  return <h1>Flag</h1>
}

export function NoProject() {
  return <h1>No project</h1>
}

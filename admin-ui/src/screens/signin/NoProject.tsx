import { Button } from '@mantine/core'
import { session } from '../../app/session'
import { Empty } from '../../components/Empty'

// NoProject is what a person sees whose token may see none.
export function NoProject() {
  return (
    <main>
      <title>No project · Dimmer</title>
      <h1 className="sr-only">Dimmer</h1>
      <Empty
        title="There is no project yet"
        command={'curl -X POST "$DIMMER_URL/v1/projects" -H "Authorization: Bearer $DIMMER_TOKEN" -H "Content-Type: application/json" -d \'{"key": "shop"}\''}
        action={<Button onClick={() => void session.signOut().then(() => window.location.assign('/signin'))}>Sign out</Button>}
      >
        Or your token may see none. A project holds flags, segments and environments; the first is made with the API.
      </Empty>
    </main>
  )
}

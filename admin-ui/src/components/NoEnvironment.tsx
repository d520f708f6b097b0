import { Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { Empty } from './Empty'

// NoEnvironment is what stands where a project's environments would: the first thing to make, since flags are served in them alone.
export function NoEnvironment({ project, children }: { project: string; children: ReactNode }) {
  return (
    <Empty
      title="No environment yet"
      action={
        <Button variant="primary" renderRoot={(props) => <Link {...props} to="/p/$project/environments" params={{ project }} />}>
          To the environments
        </Button>
      }
    >
      {children} Flags are served in environments, each with a targeting of its own. Most projects have production, and one before it.
    </Empty>
  )
}

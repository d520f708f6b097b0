import { Button } from '@mantine/core'
import { Link, useRouter } from '@tanstack/react-router'
import { ProblemAlert } from '../components/ProblemAlert'
import classes from './failure.module.css'

// Broken stands in for a screen that failed: what happened, and a way on.
export function Broken({ error }: { error: unknown }) {
  const router = useRouter()
  return (
    <main className={classes.page}>
      <ProblemAlert error={error} />
      <Button onClick={() => void router.invalidate()}>Try again</Button>
    </main>
  )
}

export function NotFound() {
  return (
    <main className={classes.page}>
      <h1>There is no such page</h1>
      <p>
        It may have been renamed or deleted. <Link to="/">Go to the flags</Link>
      </p>
    </main>
  )
}

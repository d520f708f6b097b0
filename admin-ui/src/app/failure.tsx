import { Button } from '@mantine/core'
import { Link, useRouter } from '@tanstack/react-router'
import { ProblemAlert } from '../components/ProblemAlert'
import classes from './failure.module.css'

// Broken stands in for a screen that failed: what happened, and a way on. BrokenPage does so where there is no shell around it.
export function Broken({ error }: { error: unknown }) {
  const router = useRouter()
  return (
    <div className={classes.page}>
      <h1>This page does not work right now</h1>
      <ProblemAlert error={error} retry={() => void router.invalidate()} />
    </div>
  )
}

export function BrokenPage({ error }: { error: unknown }) {
  return (
    <main className={classes.whole}>
      <Broken error={error} />
    </main>
  )
}

export function NotFound() {
  return (
    <div className={classes.page}>
      <h1>There is no such page</h1>
      <p>
        It may have been renamed or deleted. <Link to="/">Go to the flags</Link>
      </p>
    </div>
  )
}

export function NotFoundPage() {
  return (
    <main className={classes.whole}>
      <title>No such page · Dimmer</title>
      <NotFound />
    </main>
  )
}

export function NoSuchProject({ error }: { error: unknown }) {
  return (
    <div className={classes.page}>
      <h1>You cannot see this project</h1>
      <ProblemAlert error={error} />
      <Button renderRoot={(props) => <Link {...props} to="/" />}>To the first project that you can see</Button>
    </div>
  )
}

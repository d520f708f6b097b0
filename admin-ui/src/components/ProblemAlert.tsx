import { Alert, Button } from '@mantine/core'
import { asProblem } from '../api/problem'

// ProblemAlert says what went wrong in words, with the id that finds it in the server's log, and offers to try again.
export function ProblemAlert({ error, retry }: { error: unknown; retry?: () => void }) {
  const { problem } = asProblem(error)
  return (
    <Alert color="red" variant="light" title={problem.title} role="alert" mb="md">
      {problem.detail !== undefined && <p>{problem.detail}</p>}
      {problem.id !== '' && (
        <p>
          In the server’s log: <code>{problem.id}</code>
        </p>
      )}
      {retry && (
        <Button size="xs" onClick={retry} mt="xs">
          Try again
        </Button>
      )}
    </Alert>
  )
}

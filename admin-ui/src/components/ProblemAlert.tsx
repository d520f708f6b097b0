import { Button } from '@mantine/core'
import { asProblem } from '../api/problem'
import classes from './ProblemAlert.module.css'
import { WarningIcon } from './icons'

// ProblemAlert says what went wrong in words, with the id that finds it in the server's log, and offers to try again.
export function ProblemAlert({ error, retry }: { error: unknown; retry?: () => void }) {
  const { problem } = asProblem(error)
  const { title, detail, id } = problem
  return (
    <div className={classes.alert} role="alert">
      <WarningIcon />
      <div className={classes.text}>
        <p className={classes.what}>{detail === undefined || problem.status === 0 ? title : sentence(detail)}</p>
        {detail !== undefined && problem.status === 0 && <p>{detail}</p>}
        {id !== '' && (
          <p className={classes.id}>
            {title} · in the server’s log as <code>{id}</code>
          </p>
        )}
      </div>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  )
}

// sentence begins what the server says with a capital letter: it writes for the middle of a line.
function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

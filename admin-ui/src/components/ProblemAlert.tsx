import { Button } from '@mantine/core'
import { asProblem } from '../api/problem'
import classes from './ProblemAlert.module.css'
import { WarningIcon } from './icons'

// ProblemAlert says what went wrong in words, with the id that finds it in the server's log, and offers to try again.
export function ProblemAlert({ error, retry }: { error: unknown; retry?: () => void }) {
  const { problem } = asProblem(error)
  const { title, detail, id } = problem
  // Made by this page, since no server answered: its title says what happened. A server's says only which kind of failure it was.
  const own = id === ''
  return (
    <div className={classes.alert} role="alert">
      <WarningIcon />
      <div className={classes.text}>
        <p className={classes.what}>{detail === undefined || own ? title : sentence(detail)}</p>
        {detail !== undefined && own && <p>{detail}</p>}
        {!own && (
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

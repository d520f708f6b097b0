import type { Part } from '../lib/sentence'
import classes from './Sentence.module.css'

// Sentence sets a rule or a condition: names, values and shares stand apart from the words between them.
export function Sentence({ parts }: { parts: readonly Part[] }) {
  return (
    <span className={classes.sentence}>
      {parts.map((part, i) =>
        part.kind === 'text' ? (
          part.text
        ) : (
          <span key={i} className={classes[part.kind]}>
            {part.text}
          </span>
        ),
      )}
    </span>
  )
}

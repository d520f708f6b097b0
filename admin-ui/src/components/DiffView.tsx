import type { DiffKind, DiffLine } from '../lib/diff'
import classes from './DiffView.module.css'

const signs: Record<DiffKind, string> = { added: '+', removed: '−', moved: '↕', changed: '~' }
const words: Record<DiffKind, string> = { added: 'added', removed: 'removed', moved: 'moved', changed: 'changed' }

// A percent sign stays with its number.
const kept = (text: string) => text.replaceAll(' %', '\u00a0%')

// DiffView lists what changed, a line each: what it is about, then before and after. The sign and its word say what happened, not a colour.
export function DiffView({ lines, label = 'Changes' }: { lines: readonly DiffLine[]; label?: string }) {
  if (lines.length === 0) return <p className={classes.none}>Nothing changes.</p>
  return (
    <ul className={classes.list} aria-label={label}>
      {lines.map((line, i) => (
        <li key={i} className={classes.line} data-kind={line.kind} data-about={line.about}>
          <span className={classes.sign} aria-hidden="true">
            {signs[line.kind]}
          </span>
          <span className="sr-only">{words[line.kind]}: </span>
          <span className={classes.what}>
            <span className={classes.subject}>{line.subject}</span>
            {line.text !== undefined && <span className={classes.text}> {line.text}</span>}
            {line.from !== undefined && (
              <>
                {' '}
                <del className={classes.from}>{kept(line.from)}</del>
              </>
            )}
            {line.from !== undefined && line.to !== undefined && <span className={classes.arrow}> → </span>}
            {line.to !== undefined && (
              <>
                {line.from === undefined && ' '}
                <ins className={classes.to}>{kept(line.to)}</ins>
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}

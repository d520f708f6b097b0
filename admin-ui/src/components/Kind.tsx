import classes from './Kind.module.css'

// Each kind has a shape of its own, so that a column of them is read at a glance.
const shapes: Record<string, string> = {
  release: 'M6 10.5V2M2.5 5.5 6 2l3.5 3.5',
  experiment: 'M4.5 1.5h3M5 1.5v3L2 10.5h8l-3-6v-3',
  killSwitch: 'M4 1.5h4l2.5 2.5v4l-2.5 2.5h-4l-2.5-2.5v-4Z',
  permission: 'M3 5.5h6v5h-6ZM4.25 5.5v-1.5a1.75 1.75 0 0 1 3.5 0v1.5',
  operational: 'M1.5 3.5h9M1.5 8.5h9M4 2v3M8 7v3',
}

export const kindNames: Record<string, string> = {
  release: 'Release',
  experiment: 'Experiment',
  killSwitch: 'Kill switch',
  permission: 'Permission',
  operational: 'Operational',
}

export function Kind({ kind }: { kind: string | undefined }) {
  if (kind === undefined || kind === '') return null
  return (
    <span className={classes.kind}>
      <svg viewBox="0 0 12 12" width="12" height="12" fill="none" stroke="currentColor" strokeWidth="1.25" strokeLinejoin="round" strokeLinecap="round" aria-hidden="true">
        <path d={shapes[kind] ?? shapes.operational} />
      </svg>
      {kindNames[kind] ?? kind}
    </span>
  )
}

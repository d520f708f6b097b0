import classes from './StateMark.module.css'

export type Shape = 'full' | 'half' | 'cross' | 'ring' | 'clock'

const circle = 'M6 1.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0 -9Z'
const strokes: Record<Shape, string> = { full: circle, half: circle, ring: circle, clock: `${circle}M6 3.5v2.7l1.8 1.2`, cross: 'M2.5 2.5l7 7M9.5 2.5l-7 7' }
const fills: Partial<Record<Shape, string>> = { full: circle, half: 'M6 1.5a4.5 4.5 0 0 0 0 9Z' }

// StateMark is a state by shape and word, never by colour alone; only what is safe is green, and only harm red.
export function StateMark({ shape, tone = 'plain', children }: { shape: Shape; tone?: 'safe' | 'harm' | 'plain' | 'dim'; children: string }) {
  return (
    <span className={classes.mark} data-tone={tone}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden>
        {fills[shape] && <path d={fills[shape]} className={classes.fill} />}
        <path d={strokes[shape]} />
      </svg>
      {children}
    </span>
  )
}

import { CrossIcon } from './icons'
import classes from './StateCell.module.css'
import { ago, plural } from './time'
import { formatPercent } from '../lib/percent'

export type StateOf = { state: string; exposure?: number; rules?: number; killedAt?: string }

// StateCell is what a flag does in one environment, told by shape and word: a bar that is as long and as bright as the exposure, or a red cross.
export function StateCell({ of, now }: { of: StateOf | undefined; now: number }) {
  if (of === undefined) return <span className={classes.none}>none</span>
  switch (of.state) {
    case 'killed':
      return (
        <span className={classes.killed}>
          <CrossIcon size={14} />
          <span>Killed{of.killedAt !== undefined && ` ${ago(Date.parse(of.killedAt), now, true)}`}</span>
        </span>
      )
    case 'off':
      return (
        <span className={classes.off}>
          <span className={classes.ring} aria-hidden="true" />
          Off
        </span>
      )
    case 'archived':
      return <span className={classes.none}>Archived</span>
    default:
      return (
        <span className={classes.lit}>
          <Bar exposure={of.exposure ?? 0} />
          <span>{words(of)}</span>
        </span>
      )
  }
}

function words({ state, exposure = 0, rules = 0 }: StateOf): string {
  if (state === 'rules') return plural(rules, 'rule')
  if (state === 'on') return exposure > 0 ? 'On' : 'Off variant'
  return `${formatPercent(exposure)} %`
}

// Bar is light: longer and brighter with more exposure (percent).
export function Bar({ exposure }: { exposure: number }) {
  return (
    <svg className={classes.bar} viewBox="0 0 64 8" width="64" height="8" aria-hidden="true" preserveAspectRatio="none">
      <rect width="64" height="8" rx="2" className={classes.track} />
      {exposure > 0 && <rect width={Math.max(2, exposure * 0.64)} height="8" rx="2" className={classes.fill} opacity={0.55 + exposure * 0.0045} />}
    </svg>
  )
}

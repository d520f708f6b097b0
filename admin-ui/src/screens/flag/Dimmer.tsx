import { type KeyboardEvent, type PointerEvent, useRef, useState } from 'react'
import { type Line, assignmentPieces, bucketAt, compare, exposurePieces, shares, weightsOf } from '../../lib/hashline'
import type { Flag } from '../../lib/model'
import { buckets, formatBuckets, formatShare, stepped } from '../../lib/percent'
import classes from './Dimmer.module.css'
import { AssignmentBar, ExposureBar, Swatch } from './HashLine'
import { PercentField } from './PercentField'
import { toneOf } from './variants'

type DimmerProps = {
  flag: Flag
  off: string
  /** Whom it is about, for a heading and for screen readers: "everyone else". */
  label: string
  before: Line
  after: Line
  /** What the server counted for exactly this draft; until it has answered, the same is reckoned here. */
  counted?: { enter: number; leave: number; switch: number; redrawn?: boolean } | undefined
  /** Why nobody sees this light now, if so: the flag is off, killed or archived. */
  dark: string | undefined
  large?: boolean
  onExposure: (buckets: number) => void
  error?: string | undefined
  disabled?: boolean
}

const presets = [0, 1000, 5000, 10_000, 25_000, 50_000, 100_000]

// Dimmer is the knob of an exposure: light rises with it, and under it the hash line says exactly who is in, who enters, leaves and switches.
export function Dimmer({ flag, off, label, before, after, counted, dark, large, onExposure, error, disabled }: DimmerProps) {
  const changed = before.exposure !== after.exposure
  return (
    <div className={classes.dimmer} data-large={large || undefined}>
      <div className={classes.readout}>
        <p className={classes.number} aria-live="off">
          {changed && <span className={classes.was}>{formatBuckets(before.exposure)} → </span>}
          <span className={classes.now} data-dark={dark !== undefined || after.exposure === 0 || undefined}>
            {formatBuckets(after.exposure)}
            <span className={classes.percent}> %</span>
          </span>
          {dark !== undefined && <span className={classes.dark}>dark: the flag is {dark}</span>}
        </p>
        {!disabled && (
          <div className={classes.exact}>
            <div className={classes.presets} role="group" aria-label={`Exposure of ${label}, usual steps`}>
              {presets.map((n) => (
                <button key={n} type="button" className={classes.preset} aria-pressed={after.exposure === n} onClick={() => onExposure(n)}>
                  {formatBuckets(n)}
                </button>
              ))}
            </div>
            <PercentField label={`Exposure of ${label} in percent`} value={after.exposure} onChange={onExposure} error={error} className={classes.field} />
          </div>
        )}
      </div>
      <Slider before={before.exposure} after={after.exposure} dark={dark !== undefined} height={large ? 56 : 32} label={`Exposure of ${label}`} onChange={onExposure} disabled={disabled} />
      <div className={classes.scale} aria-hidden="true">
        {[0, 25, 50, 75, 100].map((n) => (
          <span key={n}>{n}</span>
        ))}
      </div>
      <Assignment flag={flag} off={off} before={before} after={after} large={large ?? false} quiet={dark !== undefined || (before.exposure === 0 && after.exposure === 0)} />
      <Numbers before={before} after={after} counted={counted} dark={dark} />
      <Outcome flag={flag} off={off} before={before} after={after} dark={dark} />
    </div>
  )
}

type SliderProps = { before: number; after: number; dark: boolean; height: number; label: string; onChange: (n: number) => void; disabled: boolean | undefined }

// Slider is the exposure line itself, to be dragged: whole percents, with Alt every bucket that a pixel has.
function Slider({ before, after, dark, height, label, onChange, disabled }: SliderProps) {
  const bar = useRef<HTMLDivElement>(null)
  const [dragging, setDragging] = useState(false)
  const at = (event: PointerEvent) => {
    const box = bar.current?.getBoundingClientRect()
    if (box) onChange(bucketAt(event.clientX - box.left, box.width, event.altKey ? 1 : 1000))
  }
  const keys = (event: KeyboardEvent) => {
    const next = stepped(after, event.key, { shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey })
    if (next === undefined || disabled) return
    event.preventDefault()
    onChange(next)
  }
  return (
    <div
      ref={bar}
      className={classes.slider}
      data-dragging={dragging || undefined}
      data-disabled={disabled || undefined}
      onPointerDown={(event) => {
        if (disabled || event.button !== 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        setDragging(true)
        at(event)
      }}
      onPointerMove={(event) => dragging && at(event)}
      onPointerUp={() => setDragging(false)}
      onPointerCancel={() => setDragging(false)}
    >
      <ExposureBar pieces={exposurePieces(before, after)} glow={after} dark={dark} height={height} />
      <div
        role="slider"
        tabIndex={disabled ? -1 : 0}
        className={classes.thumb}
        data-dark={dark || undefined}
        style={{ left: `${after / 1000}%` }}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={after / 1000}
        aria-valuetext={`${formatBuckets(after)} percent`}
        aria-disabled={disabled || undefined}
        onKeyDown={keys}
      />
    </div>
  )
}

function Assignment({ flag, off, before, after, large, quiet }: { flag: Flag; off: string; before: Line; after: Line; large: boolean; quiet: boolean }) {
  const weights = weightsOf(after.ranges)
  const pieces = assignmentPieces(before.ranges, after.ranges)
  const drawn = new Map<string, number>()
  for (const { variant } of pieces) drawn.set(variant, (drawn.get(variant) ?? 0) + 1)
  // A variant that lies in several pieces has its share in all of them together: told at each, it would seem to have more.
  const label = (variant: string) => (drawn.get(variant) === 1 ? `${variant} ${formatBuckets(weights.get(variant) ?? 0)} %` : variant)
  return (
    <AssignmentBar
      pieces={pieces}
      tone={(variant) => toneOf(flag, off, variant)}
      height={large ? 24 : 16}
      quiet={quiet}
      label={(piece) => label(piece.variant)}
    />
  )
}

// Numbers are shares of all who reach this place, exact: of 10,000,000,000 equally likely pairs of buckets.
function Numbers({ before, after, counted, dark }: Pick<DimmerProps, 'before' | 'after' | 'counted' | 'dark'>) {
  const own = compare(before, after)
  const n = counted ?? own
  if (n.redrawn) return <p className={classes.redrawn}>Drawn by other attributes than now: everyone is drawn anew, so nobody can say who enters, leaves or switches.</p>
  return (
    <dl className={classes.numbers}>
      <div>
        <dt>
          <Swatch kind="in" /> {dark === undefined ? 'in now' : 'in, were it lit'}
        </dt>
        <dd>{formatBuckets(before.exposure)} %</dd>
      </div>
      <div data-zero={n.enter === 0 || undefined}>
        <dt>
          <Swatch kind="enter" /> enter
        </dt>
        <dd>{n.enter === 0 ? '0' : `+${formatShare(n.enter)} %`}</dd>
      </div>
      <div data-zero={n.leave === 0 || undefined}>
        <dt>
          <Swatch kind="leave" /> leave
        </dt>
        <dd>{n.leave === 0 ? '0' : `−${formatShare(n.leave)} %`}</dd>
      </div>
      <div data-zero={n.switch === 0 || undefined}>
        <dt>
          <Swatch kind="switch" /> switch
        </dt>
        <dd>{n.switch === 0 ? '0' : `${formatShare(n.switch)} %`}</dd>
      </div>
    </dl>
  )
}

// How many variants an outcome lists before it asks whether all should be.
const few = 12

// Outcome says what everyone who comes here gets, in the end: of many variants the ones that most people get.
function Outcome({ flag, off, before, after, dark }: Pick<DimmerProps, 'flag' | 'off' | 'before' | 'after' | 'dark'>) {
  const was = shares(before)
  const is = shares(after)
  const [all, setAll] = useState(false)
  const keys = [...new Set([...(flag.variants ?? []).map((v) => v.key), ''])].filter((key) => is.has(key) || was.has(key))
  const share = (key: string) => Math.max(is.get(key) ?? 0, was.get(key) ?? 0)
  const most = all || keys.length <= few ? keys : keys.toSorted((a, b) => share(b) - share(a)).slice(0, few - 1)
  return (
    <ul className={classes.outcome} aria-label="What everyone who comes here gets">
      {dark !== undefined && <li className={classes.variant}>{dark === 'killed' ? 'Without the kill:' : 'Once it is on:'}</li>}
      {most.map((key) => {
        const [x, y] = [was.get(key) ?? 0, is.get(key) ?? 0]
        return (
          <li key={key}>
            <Swatch kind={toneOf(flag, off, key)} />
            <span className={classes.variant}>{key === '' ? 'goes on to the next rule' : key}</span>
            <span className={classes.share}>
              {x !== y && <span className={classes.before}>{formatShare(x)} → </span>}
              {formatShare(y)} %
            </span>
          </li>
        )
      })}
      {keys.length > few && (
        <li>
          <button type="button" className={classes.more} aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? 'Show fewer' : `and ${keys.length - most.length} more`}
          </button>
        </li>
      )}
    </ul>
  )
}

/** How much of a line is lit, small, beside a rule's sentence. */
export function MiniBar({ exposure, dark }: { exposure: number; dark: boolean }) {
  return (
    <span className={classes.mini} data-dark={dark || undefined} aria-hidden="true">
      <span style={{ width: `${(exposure / buckets) * 100}%` }} />
    </span>
  )
}

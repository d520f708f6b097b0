import type { ReactNode } from 'react'
import { Sentence } from '../../components/Sentence'
import { placeName } from '../../lib/diff'
import { assignmentPieces, exposurePieces, lineAt } from '../../lib/hashline'
import { type Condition as Authored, type Flag, type Targeting, defaultRule } from '../../lib/model'
import { formatBuckets } from '../../lib/percent'
import { conditionParts } from '../../lib/sentence'
import { type Trace, type TraceCondition, type TraceServe, type TraceState, clauseWhy, distributionWhy, resultText, segmentWhy, servesText } from '../../lib/trace'
import { AssignmentBar, ExposureBar } from './HashLine'
import classes from './TraceView.module.css'
import { toneOf } from './variants'

type Props = { trace: Trace; flag: Flag; targeting: Targeting }

const noRoom = 'There was no room in the trace to tell more: it has at most 64 KiB.'

// TraceView is the way of one evaluation, from the top: what was asked, what it came to, and why. What was not looked at is said to be so, and so is
// what the server had no room to tell.
export function TraceView({ trace, flag, targeting }: Props) {
  const authoredRule = (id: string) => targeting.rules?.find((r) => r.id === id)
  return (
    <ol className={classes.steps} aria-label="How the answer came about">
      {(trace.kills?.length ?? 0) > 0 && <Step state="true" title="Killed" why="A kill is in force; nothing else is looked at." harm />}
      {trace.disabled && <Step state="false" title="Switched off" why="The targeting is off; nothing else is looked at." />}
      {(trace.problems ?? []).map((p) => (
        <Step key={p} state="error" title="The flag cannot be used" why={p} />
      ))}
      {(trace.prerequisites ?? []).map((p) => (
        <Step
          key={p.flag}
          state={p.state}
          title={
            <>
              Prerequisite: flag <b>{p.flag}</b> has to serve {p.variants.join(' or ')}
            </>
          }
          why={p.trace ? `It serves ${servesText(p.trace.result)}: ${resultText(p.trace.result)}` : p.truncated && noRoom}
        />
      ))}
      {(trace.rules ?? []).map((r, i) => (
        <Step
          key={r.id}
          state={r.state}
          title={
            <>
              Rule {i + 1} {authoredRule(r.id)?.name}
            </>
          }
          why={r.when || r.state === 'skipped' ? undefined : r.truncated ? noRoom : 'It has no condition, so it matches.'}
          decides={r.id === trace.result.rule}
        >
          {r.when ? <Condition of={r.when} authored={authoredRule(r.id)?.when} /> : r.state === 'skipped' && <Skipped condition={authoredRule(r.id)?.when} />}
          {r.serve ? <Serve of={r.serve} id={r.id} flag={flag} targeting={targeting} /> : r.truncated && r.when && <p className={classes.why}>{noRoom}</p>}
        </Step>
      ))}
      {trace.default && (
        <Step state="true" title="Everyone else" decides={!trace.result.rule}>
          <Serve of={trace.default} id={defaultRule} flag={flag} targeting={targeting} />
        </Step>
      )}
      {trace.truncated && <Step state="untold" title="The rest is not told" why={`The steps after these were taken, and the answer above is the right one. ${noRoom}`} />}
    </ol>
  )
}

type State = TraceState | 'untold'

const words: Record<State, string> = { true: 'yes', false: 'no', error: 'error', skipped: 'not looked at', untold: 'not told' }

function Step({ state, title, why, decides, harm, children }: { state: State; title: ReactNode; why?: ReactNode; decides?: boolean; harm?: boolean; children?: ReactNode }) {
  return (
    <li className={classes.step} data-state={state} data-decides={decides || undefined} data-harm={harm || undefined}>
      <div className={classes.head}>
        <Mark state={state} />
        <span className={classes.title}>{title}</span>
        {decides && <span className={classes.decides}>decides</span>}
      </div>
      {why && <p className={classes.why}>{why}</p>}
      {children}
    </li>
  )
}

function Mark({ state }: { state: State }) {
  const shapes: Record<State, string> = { true: 'm3 8.5 3.2 3.2L13 4.5', false: 'M4 4l8 8M12 4l-8 8', error: 'M8 3v6.5M8 12.5v.01', skipped: 'M4.5 8h7', untold: 'M3 8v.01M8 8v.01M13 8v.01' }
  return (
    <span className={classes.mark} data-state={state}>
      <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        <path d={shapes[state]} />
      </svg>
      <span className={classes.word}>{words[state]}</span>
    </span>
  )
}

/** The condition as it is authored stands beside what came of it: what was skipped has nothing else to show. */
type ConditionProps = { of: TraceCondition; authored: Authored | undefined }

function Condition({ of: c, authored }: ConditionProps) {
  if (c.state === 'skipped') {
    return (
      <p className={classes.line}>
        <Mark state={c.state} /> {authored && <Sentence parts={conditionParts(authored)} />}
      </p>
    )
  }
  const kids = c.all ?? c.any
  if (kids) return <Group state={c.state} word={c.all ? 'all of' : 'any of'} kids={kids} untold={c.truncated} authored={authored && ('all' in authored ? authored.all : 'any' in authored ? authored.any : [])} />
  if (c.not) return <Group state={c.state} word="not" kids={[c.not]} authored={authored && 'not' in authored ? [authored.not] : []} />
  if (c.segment) {
    return (
      <>
        <Line state={c.state} sentence={<Sentence parts={conditionParts({ segment: c.segment.key })} />} why={segmentWhy(c.segment)} />
        {c.segment.when ? <Kids of={[c.segment.when]} authored={[]} /> : c.segment.truncated && <Kids of={[]} authored={[]} untold />}
      </>
    )
  }
  if (c.flag) {
    const parts = conditionParts(c.variants ? { flag: c.flag.flag, variants: c.variants } : (authored ?? { flag: c.flag.flag, variants: [] }))
    return <Line state={c.state} sentence={<Sentence parts={parts} />} why={`it serves ${servesText(c.flag.result)}: ${resultText(c.flag.result)}`} />
  }
  // As it was authored it is whole: of a long list of values a trace may have told only the first.
  if (c.clause) return <Line state={c.state} sentence={<Sentence parts={conditionParts(c.clause.truncated && authored ? authored : c.clause)} />} why={clauseWhy(c.clause)} />
  return <Line state={c.state} sentence={authored && <Sentence parts={conditionParts(authored)} />} why="why, there was no room to tell" />
}

type GroupProps = { state: TraceState; word: string; kids: TraceCondition[]; untold?: boolean | undefined; authored: Authored[] | undefined }

function Group({ state, word, kids, untold, authored }: GroupProps) {
  return (
    <div className={classes.group}>
      <p className={classes.line}>
        <Mark state={state} /> <span className={classes.joint}>{word}</span>
      </p>
      <Kids of={kids} authored={authored ?? []} untold={untold} />
    </div>
  )
}

function Kids({ of, authored, untold }: { of: TraceCondition[]; authored: Authored[]; untold?: boolean | undefined }) {
  const more = authored.length - of.length
  return (
    <div className={classes.kids}>
      {of.map((kid, i) => (
        <Condition key={i} of={kid} authored={authored[i]} />
      ))}
      {untold && (
        <p className={classes.line}>
          <Mark state="untold" /> <span className={classes.found}>{more > 0 ? `${more.toLocaleString('en-US')} more, which there was no room to tell` : 'there was no room to tell more'}</span>
        </p>
      )}
    </div>
  )
}

function Skipped({ condition }: { condition: Authored | undefined }) {
  return <p className={classes.why}>{condition ? <Sentence parts={conditionParts(condition)} /> : 'everyone'}</p>
}

function Line({ state, sentence, why }: { state: TraceState; sentence: ReactNode; why: string }) {
  return (
    <p className={classes.line}>
      <Mark state={state} />
      <span>
        {sentence} <span className={classes.found}>{why}</span>
      </span>
    </p>
  )
}

// Serve shows the hash line with the place of this very context on it.
function Serve({ of, id, flag, targeting }: { of: TraceServe; id: string; flag: Flag; targeting: Targeting }) {
  const d = of.distribution
  const line = lineAt(targeting, id)
  const served = of.served ? (
    <>
      serves <b>{of.served}</b>
    </>
  ) : (
    'goes on with the next rule'
  )
  if (!d || !line) return <p className={classes.served}>{served}</p>
  return (
    <div className={classes.serve} aria-label={placeName(targeting, id)} role="group">
      {d.expose && (
        <figure className={classes.figure}>
          <figcaption>
            exposure: bucket {d.expose.bucket.toLocaleString('en-US')} of 100,000; {formatBuckets(d.exposure)} % are exposed
          </figcaption>
          <ExposureBar pieces={exposurePieces(d.exposure, d.exposure)} glow={d.exposure} dark={false} marker={d.expose.bucket} height={20} />
        </figure>
      )}
      {d.assign && (
        <figure className={classes.figure}>
          <figcaption>variant: bucket {d.assign.bucket.toLocaleString('en-US')} of 100,000</figcaption>
          <AssignmentBar pieces={assignmentPieces(line.ranges, line.ranges)} tone={(v) => toneOf(flag, targeting.off, v)} marker={d.assign.bucket} height={20} label={(p) => p.variant} />
        </figure>
      )}
      <ul className={classes.whys}>
        {distributionWhy(d).map((w) => (
          <li key={w}>{w}</li>
        ))}
        <li>{served}</li>
      </ul>
    </div>
  )
}

import type { ReactNode } from 'react'
import { Sentence } from '../../components/Sentence'
import { placeName } from '../../lib/diff'
import { assignmentPieces, exposurePieces, lineAt } from '../../lib/hashline'
import { type Condition as Authored, type Flag, type Targeting, defaultRule } from '../../lib/model'
import { formatBuckets } from '../../lib/percent'
import { conditionParts } from '../../lib/sentence'
import { type Trace, type TraceCondition, type TraceServe, type TraceState, clauseWhy, distributionWhy, resultText, segmentWhy } from '../../lib/trace'
import { AssignmentBar, ExposureBar } from './HashLine'
import classes from './TraceView.module.css'
import { toneOf } from './variants'

type Props = { trace: Trace; flag: Flag; targeting: Targeting }

// TraceView is the way of one evaluation, from the top: what was asked, what it came to, and why. What was not looked at is said to be so.
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
          why={p.trace && `It serves ${p.trace.result.variant ?? 'nothing'}: ${resultText(p.trace.result)}`}
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
          why={!r.when && r.state !== 'skipped' ? 'It has no condition, so it matches.' : undefined}
          decides={r.id === trace.result.rule}
        >
          {r.when ? <Condition of={r.when} authored={authoredRule(r.id)?.when} /> : r.state === 'skipped' && <Skipped condition={authoredRule(r.id)?.when} />}
          {r.serve && <Serve of={r.serve} id={r.id} flag={flag} targeting={targeting} />}
        </Step>
      ))}
      {trace.default && (
        <Step state="true" title="Everyone else" decides={!trace.result.rule}>
          <Serve of={trace.default} id={defaultRule} flag={flag} targeting={targeting} />
        </Step>
      )}
    </ol>
  )
}

const words: Record<TraceState, string> = { true: 'yes', false: 'no', error: 'error', skipped: 'not looked at' }

function Step({ state, title, why, decides, harm, children }: { state: TraceState; title: ReactNode; why?: ReactNode; decides?: boolean; harm?: boolean; children?: ReactNode }) {
  return (
    <li className={classes.step} data-state={state} data-decides={decides || undefined} data-harm={harm || undefined}>
      <div className={classes.head}>
        <Mark state={state} />
        <span className={classes.title}>{title}</span>
        {decides && <span className={classes.decides}>decides</span>}
      </div>
      {why !== undefined && <p className={classes.why}>{why}</p>}
      {children}
    </li>
  )
}

function Mark({ state }: { state: TraceState }) {
  const shapes: Record<TraceState, string> = { true: 'm3 8.5 3.2 3.2L13 4.5', false: 'M4 4l8 8M12 4l-8 8', error: 'M8 3v6.5M8 12.5v.01', skipped: 'M4.5 8h7' }
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
  if (kids) return <Group state={c.state} word={c.all ? 'all of' : 'any of'} kids={kids} authored={authored && ('all' in authored ? authored.all : 'any' in authored ? authored.any : [])} />
  if (c.not) return <Group state={c.state} word="not" kids={[c.not]} authored={authored && 'not' in authored ? [authored.not] : []} />
  if (c.segment) {
    return (
      <>
        <Line state={c.state} sentence={<Sentence parts={conditionParts({ segment: c.segment.key })} />} why={segmentWhy(c.segment)} />
        {c.segment.when && <Kids of={[c.segment.when]} authored={[]} />}
      </>
    )
  }
  if (c.flag) {
    return <Line state={c.state} sentence={<Sentence parts={conditionParts({ flag: c.flag.flag, variants: c.variants ?? [] })} />} why={`it serves ${c.flag.result.variant ?? 'nothing'}: ${resultText(c.flag.result)}`} />
  }
  return c.clause ? <Line state={c.state} sentence={<Sentence parts={conditionParts(c.clause)} />} why={clauseWhy(c.clause)} /> : null
}

function Group({ state, word, kids, authored }: { state: TraceState; word: string; kids: TraceCondition[]; authored: Authored[] | undefined }) {
  return (
    <div className={classes.group}>
      <p className={classes.line}>
        <Mark state={state} /> <span className={classes.joint}>{word}</span>
      </p>
      <Kids of={kids} authored={authored ?? []} />
    </div>
  )
}

function Kids({ of, authored }: { of: TraceCondition[]; authored: Authored[] }) {
  return (
    <div className={classes.kids}>
      {of.map((kid, i) => (
        <Condition key={i} of={kid} authored={authored[i]} />
      ))}
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

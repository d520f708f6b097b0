import { Button, NativeSelect, TagsInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { Sentence } from '../../components/Sentence'
import { Choice } from '../../components/Choice'
import { useProblem, useProblemBelow } from '../../components/condition/problems'
import { newDistribution, weightsLeft } from '../../lib/draft'
import { type Distribution, type Serve, defaultRule, withServe } from '../../lib/model'
import { type Part, fewVariants } from '../../lib/sentence'
import { clamp, evenly, formatBuckets, formatPercent, toBuckets, toPercent } from '../../lib/percent'
import { Dimmer } from './Dimmer'
import { Swatch } from './HashLine'
import { PercentField } from './PercentField'
import classes from './ServeEditor.module.css'
import { linesOf, useEditing } from './editing'
import { toneOf } from './variants'

type Props = { id: string; serve: Serve; pointer: string; label: string; large?: boolean; head?: ReactNode }

// ServeEditor says what is served at one place: one variant to all who come there, or a share of them by the dimmer.
export function ServeEditor({ id, serve, pointer, label, large, head }: Props) {
  const { flag, draft, edit, readOnly } = useEditing()
  const variants = (flag.variants ?? []).map((v) => v.key)
  const problem = useProblem(pointer, `${pointer}/variant`)
  const set = (next: Serve) => edit((t) => withServe(t, id, next))
  const live = variants.filter((v) => v !== draft.off)
  const choose = (kind: string) => {
    if (kind === 'one') return set({ variant: serve.variant ?? mostOf(serve.distribution) ?? live[0] ?? draft.off })
    const start = serve.variant && serve.variant !== draft.off ? [serve.variant] : flag.type === 'boolean' && live[0] ? [live[0]] : live
    set({ distribution: newDistribution(start.length ? start : [draft.off], id === defaultRule ? draft.off : undefined) })
  }
  return (
    <div className={classes.serve}>
      {readOnly ? (
        <div className={classes.kind}>
          {head}
          {!serve.distribution && (
            <span>
              gets <b>{serve.variant}</b>
            </span>
          )}
        </div>
      ) : (
        <div className={classes.kind}>
          {head}
          <Choice
            label={`What ${label} gets`}
            value={serve.distribution ? 'share' : 'one'}
            options={[
              { value: 'share', label: 'A share of them' },
              { value: 'one', label: 'One variant for all' },
            ]}
            onChange={choose}
          />
          {!serve.distribution && (
            <NativeSelect
              aria-label={`Variant for ${label}`}
              size="xs"
              value={serve.variant ?? ''}
              data={[...(serve.variant ? [] : [{ value: '', label: 'choose…' }]), ...variants]}
              onChange={(event) => set({ variant: event.currentTarget.value })}
              error={problem}
            />
          )}
        </div>
      )}
      {serve.distribution && <DistributionEditor id={id} distribution={serve.distribution} pointer={`${pointer}/distribution`} label={label} large={large} />}
    </div>
  )
}

function mostOf(d: Distribution | undefined): string | undefined {
  return Object.entries(d?.weights ?? {}).sort(([, a], [, b]) => b - a)[0]?.[0]
}

type DistributionProps = { id: string; distribution: Distribution; pointer: string; label: string; large: boolean | undefined }

function DistributionEditor({ id, distribution, pointer, label, large }: DistributionProps) {
  const editing = useEditing()
  const { flag, draft, dark, readOnly, counted, edit, setExposure, around } = editing
  const { before, after } = linesOf(editing, id, { distribution })
  const exposureProblem = useProblem(`${pointer}/exposure`, pointer, `${pointer}/ranges`, `${pointer}/hash`)
  const byProblem = useProblemBelow(`${pointer}/bucketBy`)
  const restProblem = useProblem(`${pointer}/otherwise`)
  const set = (next: Distribution) => edit((t) => withServe(t, id, { distribution: next }))
  const variants = (flag.variants ?? []).map((v) => v.key)
  // A split is edited more often than looked at, unless it fills the page.
  const [defaultOpen] = useState(() => {
    const n = Object.keys(distribution.weights ?? {}).length
    return n > 1 && n <= 12
  })
  return (
    <>
      <Dimmer
        flag={flag}
        off={draft.off}
        label={label}
        before={before}
        after={after}
        counted={counted?.distributions.find((s) => s.rule === id)}
        dark={dark}
        large={large ?? false}
        onExposure={(n) => setExposure(id, n)}
        error={exposureProblem}
        disabled={readOnly}
      />
      {!readOnly && (
        <details className={classes.disclosure} open={defaultOpen || undefined}>
          <summary>
            <Sentence parts={drawnParts(distribution, variants, id === defaultRule ? draft.off : '')} />
          </summary>
          <div className={classes.details}>
            {variants.length > 1 && (
              <Weights distribution={distribution} pointer={`${pointer}/weights`} label={label} onChange={(weights) => set({ ...distribution, weights })} />
            )}
            <div className={classes.fields}>
              <TagsInput
                label="Drawn by"
                description="The first of these attributes that a context has decides its bucket."
                size="xs"
                value={distribution.bucketBy?.length ? distribution.bucketBy : ['targetingKey']}
                onChange={(bucketBy) => set({ ...distribution, bucketBy })}
                data={[...around.attributes]}
                maxTags={8}
                error={byProblem}
                className={classes.by}
                comboboxProps={{ transitionProps: { duration: 0 } }}
              />
              <NativeSelect
                label="Those who are not exposed"
                description={id === defaultRule ? 'What the rest of everyone gets.' : 'Without a variant the next rule decides.'}
                size="xs"
                value={distribution.otherwise ?? ''}
                data={[
                  { value: '', label: id === defaultRule ? `the off variant (${draft.off})` : 'go on with the next rule' },
                  ...variants.map((v) => ({ value: v, label: `get ${v}` })),
                ]}
                onChange={(event) => {
                  const { otherwise: _, ...rest } = distribution
                  const variant = event.currentTarget.value
                  set(variant ? { ...rest, otherwise: variant } : rest)
                }}
                error={restProblem}
                className={classes.rest}
              />
            </div>
          </div>
        </details>
      )}
    </>
  )
}

/** How the exposed are split, by what one is drawn, and what the rest gets: what stands behind the number, in a line. */
function drawnParts(d: Distribution, variants: readonly string[], fallback: string): Part[] {
  const weights = variants.map((key) => [key, d.weights?.[key] ?? 0] as const).filter(([, w]) => w > 0)
  const named = weights.slice(0, weights.length > fewVariants + 1 ? fewVariants : undefined)
  const split = named.flatMap(([key, w], i): Part[] => [
    { kind: 'text', text: i ? ', ' : weights.length > 1 ? 'split ' : 'the exposed get ' },
    ...(weights.length > 1 ? [{ kind: 'text' as const, text: `${formatPercent(w)} % ` }] : []),
    { kind: 'variant', text: key },
  ])
  const rest = d.otherwise || fallback
  return [
    ...split,
    ...(weights.length > named.length ? [{ kind: 'text' as const, text: ` and ${weights.length - named.length} more` }] : []),
    { kind: 'text', text: ' · drawn by ' },
    { kind: 'attribute', text: (d.bucketBy?.length ? d.bucketBy : ['targetingKey']).join(', else ') },
    { kind: 'text', text: rest ? ' · the rest gets ' : ' · the rest goes on' },
    ...(rest ? [{ kind: 'variant' as const, text: rest }] : []),
  ]
}

// Weights are how the exposed are split; together exactly 100 %. What is missing or too much is said, and can be given to one of them.
function Weights({
  distribution,
  pointer,
  label,
  onChange,
}: {
  distribution: Distribution
  pointer: string
  label: string
  onChange: (weights: Record<string, number>) => void
}) {
  const { flag, draft } = useEditing()
  const problem = useProblemBelow(pointer)
  const weights = distribution.weights ?? {}
  const left = weightsLeft(distribution)
  const used = (flag.variants ?? []).filter((v) => weights[v.key] !== undefined)
  const set = (key: string, n: number) => onChange({ ...weights, [key]: toPercent(n) })
  const toggle = (key: string) => {
    if (weights[key] === undefined) return onChange({ ...weights, [key]: toPercent(Math.max(0, left)) })
    const { [key]: _, ...rest } = weights
    onChange(rest)
  }
  const split = () => {
    const parts = evenly(used.length)
    onChange(Object.fromEntries(used.map((v, i) => [v.key, toPercent(parts[i] ?? 0)])))
  }
  return (
    <fieldset className={classes.weights}>
      <legend>Split of the exposed</legend>
      {(flag.variants ?? []).map((v) => {
        const weight = weights[v.key]
        return (
          <div key={v.key} className={classes.weight}>
            <label className={classes.pick}>
              <input type="checkbox" checked={weight !== undefined} onChange={() => toggle(v.key)} disabled={weight !== undefined && used.length === 1} />
              <Swatch kind={toneOf(flag, draft.off, v.key)} />
              <span>{v.key}</span>
            </label>
            {weight !== undefined && (
              <>
                <PercentField
                  label={`Share of ${v.key} among the exposed of ${label}`}
                  size="xs"
                  value={toBuckets(weight)}
                  onChange={(n) => set(v.key, n)}
                  className={classes.share}
                />
                {left !== 0 && toBuckets(weight) + left >= 0 && (
                  <Button size="compact-xs" onClick={() => set(v.key, clamp(toBuckets(weight) + left))}>
                    {left > 0 ? `+${formatBuckets(left)}` : formatBuckets(left)}
                  </Button>
                )}
              </>
            )}
          </div>
        )
      })}
      <div className={classes.sum}>
        {used.length > 1 && (
          <Button size="compact-xs" variant="subtle" color="gray" className={classes.quiet} onClick={split}>
            Split evenly
          </Button>
        )}
        {left !== 0 && <span className={classes.left}>{left > 0 ? `${formatBuckets(left)} % still to be given` : `${formatBuckets(-left)} % too much`}</span>}
        {left === 0 && problem !== undefined && <span className={classes.left}>{problem}</span>}
      </div>
    </fieldset>
  )
}

import { Button } from '@mantine/core'
import { Sentence } from '../../components/Sentence'
import { RemoveButton } from '../../components/condition/ConditionEditor'
import { FlagChoice, VariantsChoice } from '../../components/condition/Leaves'
import { useProblem } from '../../components/condition/problems'
import { PlusIcon } from '../../components/icons'
import type { Prerequisite } from '../../lib/model'
import { prerequisiteParts } from '../../lib/sentence'
import classes from './Targeting.module.css'
import { useEditing } from './editing'

// Prerequisites come before all rules: each names a flag that has to serve one of some variants, or everyone gets the off variant.
export function Prerequisites() {
  const { draft, readOnly, edit } = useEditing()
  const list = draft.prerequisites ?? []
  const set = (next: Prerequisite[]) => edit(({ prerequisites: _, ...t }) => (next.length ? { ...t, prerequisites: next } : t))
  const problem = useProblem('/prerequisites')
  if (readOnly) {
    if (list.length === 0) return <p className={classes.none}>None.</p>
    return list.map((p) => (
      <p key={p.flag} className={classes.line}>
        <Sentence parts={prerequisiteParts(p, draft.off)} />
      </p>
    ))
  }
  return (
    <div className={classes.prerequisites}>
      {list.length === 0 && <p className={classes.none}>None: this flag does not depend on another one that has to serve something first.</p>}
      {list.map((p, i) => (
        <One key={i} value={p} pointer={`/prerequisites/${i}`} onChange={(next) => set(next ? list.with(i, next) : list.toSpliced(i, 1))} />
      ))}
      {problem !== undefined && <p className={classes.problem}>{problem}</p>}
      <div>
        <Button size="compact-xs" variant="subtle" color="gray" className={classes.quiet} leftSection={<PlusIcon size={12} />} onClick={() => set([...list, { flag: '', variants: [] }])}>
          {list.length ? 'Prerequisite' : 'Add a prerequisite'}
        </Button>
      </div>
    </div>
  )
}

function One({ value, pointer, onChange }: { value: Prerequisite; pointer: string; onChange: (next: Prerequisite | undefined) => void }) {
  const { around, draft } = useEditing()
  const problem = useProblem(pointer)
  return (
    <div className={classes.prerequisite}>
      <span className={classes.word}>Flag</span>
      <FlagChoice project={around.project} without={around.flag} value={value.flag} pointer={`${pointer}/flag`} onChange={(flag) => onChange({ flag, variants: [] })} />
      <span className={classes.word}>has to serve</span>
      <VariantsChoice project={around.project} flag={value.flag} value={value.variants} pointer={`${pointer}/variants`} onChange={(variants) => onChange({ ...value, variants })} />
      <span className={classes.word}>
        or everyone gets <b>{draft.off}</b>
      </span>
      <RemoveButton label={`Remove the prerequisite ${value.flag}`} onClick={() => onChange(undefined)} />
      {problem !== undefined && <p className={classes.problem}>{problem}</p>}
    </div>
  )
}

import { ActionIcon, Button, Menu } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { type Place, archive, deleteFlag, reshuffle } from '../../api/flag'
import { keys } from '../../api/queries'
import { ActDialog } from '../../components/ActDialog'
import { Kind } from '../../components/Kind'
import { KillIcon, MoreIcon } from '../../components/icons'
import { openKill } from '../../components/killing'
import { toast } from '../../components/toast'
import type { Flag } from '../../lib/model'
import { EditFlag } from './EditFlag'
import classes from './Flag.module.css'

const typeWords: Record<Flag['type'], string> = { boolean: 'Boolean', string: 'String', number: 'Number', json: 'JSON' }

// About says what the flag is: kind, type, owner, tags, description. On a phone the last two are folded: what is worked with comes first.
export function About({ flag }: { flag: Flag }) {
  const [all, setAll] = useState(false)
  const more = (flag.tags ?? []).length > 0 || Boolean(flag.description)
  return (
    <div className={classes.about} data-all={all || undefined}>
      {flag.archived && <span className={classes.archived}>Archived</span>}
      <Kind kind={flag.kind} />
      <span>{typeWords[flag.type]}</span>
      <span>{flag.clientVisible ? 'Visible to clients' : 'Servers only'}</span>
      {flag.owner && (
        <span>
          Owner:{' '}
          <Link from="/p/$project" to="/p/$project/flags" search={{ owner: flag.owner }} className={classes.tag}>
            {flag.owner}
          </Link>
        </span>
      )}
      {(flag.tags ?? []).map((tag) => (
        <Link key={tag} from="/p/$project" to="/p/$project/flags" search={{ tag }} className={`${classes.tag} ${classes.foldable}`}>
          #{tag}
        </Link>
      ))}
      {flag.description && <p className={`${classes.description} ${classes.foldable}`}>{flag.description}</p>}
      {more && (
        <button type="button" className={classes.fold} aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Less' : 'More'}
          <span className="sr-only"> about this flag</span>
        </button>
      )}
    </div>
  )
}

type Act = 'edit' | 'archive' | 'unarchive' | 'reshuffle' | 'delete'

export function Acts({ at, flag, killed, readOnly }: { at: Place; flag: Flag; killed: boolean; readOnly: boolean }) {
  const [act, setAct] = useState<Act>()
  if (readOnly) return null
  return (
    <>
      {!flag.archived && (
        <Button variant={killed ? 'default' : 'danger'} leftSection={<KillIcon size={16} />} onClick={() => openKill(at)}>
          {killed ? 'Kill again…' : 'Kill'}
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="More for this flag">
            <MoreIcon />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setAct('edit')}>Name, owner, tags…</Menu.Item>
          {flag.archived ? (
            <>
              <Menu.Item onClick={() => setAct('unarchive')}>Bring back…</Menu.Item>
              <Menu.Item color="red" onClick={() => setAct('delete')}>
                Delete…
              </Menu.Item>
            </>
          ) : (
            <>
              <Menu.Item onClick={() => setAct('reshuffle')}>Draw all cohorts anew…</Menu.Item>
              <Menu.Item onClick={() => setAct('archive')}>Archive…</Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {act === 'edit' && <EditFlag project={at.project} flag={flag} part="details" onClose={() => setAct(undefined)} />}
      {act && act !== 'edit' && <Confirm act={act} at={at} flag={flag} onClose={() => setAct(undefined)} />}
    </>
  )
}

const confirms: Record<Exclude<Act, 'edit'>, { title: string; act: string; danger?: true; text: string; done: string }> = {
  archive: { title: 'Archive', act: 'Archive', text: 'It serves its off variant in every environment, at once, and leaves the list of flags. Its targeting and history are kept, and it can be brought back.', done: 'is archived' },
  unarchive: { title: 'Bring back', act: 'Bring back', text: 'It comes back to the list of flags, off in every environment; its targeting is as it was.', done: 'is back, off everywhere' },
  reshuffle: { title: 'Draw anew the cohorts of', act: 'Draw anew', danger: true, text: 'A new salt is drawn: in every environment, and wherever the exposure is between 0 and 100 %, other people are exposed than now, and variants are dealt out anew. An experiment that runs loses its meaning. The salt of now is in the history and can be restored.', done: 'has new cohorts' },
  delete: { title: 'Delete', act: 'Delete', danger: true, text: 'The flag and its targeting in all environments are deleted. Code that still asks for it gets the default that it passes.', done: 'is deleted' },
}

function Confirm({ act, at, flag, onClose }: { act: Exclude<Act, 'edit'>; at: Place; flag: Flag; onClose: () => void }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const words = confirms[act]
  const { project } = at
  const run = async (reason: string) => {
    if (act === 'archive' || act === 'unarchive') await archive(project, flag.key, act === 'archive', reason)
    else if (act === 'reshuffle') await reshuffle(project, flag.key, reason)
    else await deleteFlag(project, flag.key, flag.version, reason)
    const undo = act === 'archive' ? async () => {
      await archive(project, flag.key, false, 'Undone right after archiving')
      await queries.invalidateQueries({ queryKey: keys.all(project) })
    } : undefined
    toast(`${flag.key} ${words.done}`, undo ? { undo } : {})
    onClose()
    if (act === 'delete') await navigate({ to: '/p/$project/flags', params: { project } })
    await queries.invalidateQueries({ queryKey: keys.all(project) })
  }
  return (
    <ActDialog title={`${words.title} ${flag.key}?`} act={words.act} tone={words.danger ? 'danger' : 'primary'} onAct={run} onClose={onClose} {...(act === 'delete' ? { confirm: flag.key } : {})}>
      <p className={classes.plain}>{words.text}</p>
    </ActDialog>
  )
}

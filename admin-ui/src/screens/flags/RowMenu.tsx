import { Menu } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { type ButtonHTMLAttributes, useEffect, useRef, useState } from 'react'
import { type FlagState, refreshFlags, setArchived } from '../../api/flags'
import { restore } from '../../api/log'
import { asProblem } from '../../api/problem'
import type { Environment } from '../../app/environment'
import { useMay } from '../../app/rights'
import { ArchiveIcon, KillIcon, MoreIcon } from '../../components/icons'
import { openKill } from '../../components/killing'
import { toast } from '../../components/toast'
import classes from './RowMenu.module.css'

type RowMenuProps = {
  project: string
  item: FlagState
  environments: readonly Environment[]
  button: ButtonHTMLAttributes<HTMLButtonElement>
}

// RowMenu has what can be done to a flag without opening it. The menu is made when it is opened: there are as many rows as the window is high.
export function RowMenu({ project, item, environments, button }: RowMenuProps) {
  const [opened, setOpened] = useState(false)
  const { key } = item.flag
  const operator = useMay('operator')
  const editor = useMay('editor')
  // The button is made anew when the menu goes, so the focus is given back by hand.
  const place = useRef<HTMLButtonElement>(null)
  const was = useRef(false)
  useEffect(() => {
    if (was.current && !opened) place.current?.focus({ preventScroll: true })
    was.current = opened
  }, [opened])
  // A moment later: the menu gives the focus back to its button first, and the dialog then to this.
  const kill = (environment: string) => window.setTimeout(() => openKill({ project, flag: key, environment }))
  const trigger = (
    <button ref={place} type="button" className={classes.button} aria-label={`Acts on ${key}`} aria-haspopup="menu" onClick={() => setOpened(true)} {...button}>
      <MoreIcon size={18} />
    </button>
  )
  // There is nothing to do for whoever may only look.
  if (!operator) return null
  if (!opened) return trigger
  return (
    <Menu opened onChange={setOpened} position="bottom-end" width={240} trapFocus>
      <Menu.Target>{trigger}</Menu.Target>
      <Menu.Dropdown>
        {item.flag.archived ? (
          editor ? (
            <ArchiveItem project={project} flag={key} archived={false} />
          ) : (
            <Menu.Item disabled>Only an editor brings it back</Menu.Item>
          )
        ) : (
          <>
            {environments.map((e) => (
              <Menu.Item key={e.key} className={classes.kill} leftSection={<KillIcon size={16} />} onClick={() => kill(e.key)}>
                Kill in {e.name || e.key}…
              </Menu.Item>
            ))}
            {editor && <Menu.Divider />}
            {editor && <ArchiveItem project={project} flag={key} archived />}
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}

function ArchiveItem({ project, flag, archived }: { project: string; flag: string; archived: boolean }) {
  const queries = useQueryClient()
  const shown = () => refreshFlags(queries, project, [flag])
  const act = async () => {
    try {
      const { revision } = await setArchived(project, flag, archived)
      await shown()
      // To bring a flag back leaves it off everywhere; undoing its archiving means what it did before, which the log has.
      const undo = archived && revision !== undefined ? () => restore(project, revision - 1, { flag }, 'Archiving undone') : () => setArchived(project, flag, !archived)
      toast(archived ? `Archived ${flag}: it serves off everywhere` : `Brought ${flag} back, off everywhere`, { undo: () => undo().then(shown) })
    } catch (err) {
      toast(`${flag} is as it was: ${asProblem(err).message}`, { tone: 'bad' })
    }
  }
  return (
    <Menu.Item leftSection={<ArchiveIcon size={16} />} onClick={() => void act()}>
      {archived ? 'Archive' : 'Bring back'}
    </Menu.Item>
  )
}

import { Modal } from '@mantine/core'
import { useState } from 'react'
import { KillForm } from './KillForm'
import classes from './KillDialog.module.css'
import { type Sent, KillReceipt } from './KillReceipt'
import { useFocusBack } from './focusBack'
import type { KillTarget } from './killing'

// KillDialog asks one reason, kills on Enter, and then shows the kill arriving. On a phone it is a sheet at the thumb.
export function KillDialog({ target, onClose }: { target: KillTarget; onClose: () => void }) {
  useFocusBack()
  const [environment, setEnvironment] = useState(target.environment ?? '')
  const [tag, setTag] = useState('tag' in target ? target.tag : '')
  const [sent, setSent] = useState<Sent>()
  const full = 'tag' in target ? { project: target.project, environment, tag } : { project: target.project, environment, flag: target.flag }
  const what = 'tag' in full ? (tag === '' ? 'flags by tag' : `every flag with the tag ${tag}`) : full.flag
  const where = environment === '' ? '' : ` in ${environment}`
  return (
    <Modal
      opened
      onClose={onClose}
      size={560}
      title={sent ? `Killed ${what}${where}` : `Kill ${what}${where}?`}
      classNames={{ inner: classes.inner, content: classes.content }}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {sent ? (
        <KillReceipt target={full} sent={sent} onClose={onClose} />
      ) : (
        <KillForm target={full} onEnvironment={target.environment === undefined ? setEnvironment : undefined} onTag={'tag' in target && target.tag === '' ? setTag : undefined} onSent={setSent} onCancel={onClose} />
      )}
    </Modal>
  )
}

import { Button } from '@mantine/core'
import { Fragment, useRef, useState } from 'react'
import classes from './Command.module.css'
import { CheckIcon, CopyIcon } from './icons'

// Command is a line to type in a terminal, with a button that copies it.
export function Command({ children }: { children: string }) {
  const [copied, setCopied] = useState(false)
  const text = useRef<HTMLElement>(null)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(children)
    } catch {
      // Over plain HTTP there is no clipboard: the text is marked, to be copied by hand.
      if (text.current) window.getSelection()?.selectAllChildren(text.current)
      return
    }
    setCopied(true)
    window.setTimeout(() => setCopied(false), 2000)
  }
  return (
    <div className={classes.command}>
      <code ref={text} className={classes.text}>
        {children.split(' ').map((word, n) => (
          // A line breaks between words only: an option torn from its dashes is mistyped.
          <Fragment key={n}>
            {n > 0 && ' '}
            <span className={classes.word}>{word}</span>
          </Fragment>
        ))}
      </code>
      <Button size="compact-sm" leftSection={copied ? <CheckIcon size={16} /> : <CopyIcon size={16} />} onClick={() => void copy()}>
        {copied ? 'Copied' : 'Copy'}
      </Button>
    </div>
  )
}

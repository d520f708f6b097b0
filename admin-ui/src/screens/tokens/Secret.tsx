import { Button, Modal } from '@mantine/core'
import actClasses from '../../components/ActDialog.module.css'
import { Command } from '../../components/Command'
import { exactTime } from '../../components/time'
import classes from './Tokens.module.css'
import type { Token } from './state'

interface Props {
  token: Token
  secret: string
  /** The one that this one replaces. */
  old: Token | undefined
  project: string
  onClose: () => void
}

// Secret shows a token's text this once. Nothing but its button closes it, so that no stray key loses what cannot be shown again.
export function Secret({ token, secret, old, project, onClose }: Props) {
  return (
    <Modal opened onClose={onClose} title={`The token of ${token.name || token.id}`} size="xl" withCloseButton={false} closeOnClickOutside={false} closeOnEscape={false} classNames={{ title: actClasses.title }}>
      <div className={actClasses.form}>
        {secret === '' ? (
          <p>
            The token was made by an earlier try, whose answer was lost, and its secret can not be shown again. Revoke <span className="mono">{token.id}</span> and make another.
          </p>
        ) : (
          <>
            <p>
              <b>This is shown once.</b> Copy it to where it will be used; Dimmer does not know it any more when this is closed.
            </p>
            <Command>{secret}</Command>
            <Use token={token} project={project} />
          </>
        )}
        {old && (
          <p className={classes.dim}>
            The old one, <span className="mono">{old.id}</span>, is good until {old.expires ? exactTime(old.expires) : 'it is revoked'}.
          </p>
        )}
        <div className={actClasses.acts}>
          <Button variant="primary" onClick={onClose}>
            {secret === '' ? 'Close' : 'I have kept it'}
          </Button>
        </div>
      </div>
    </Modal>
  )
}

// Use says what to do with it. The secret is not in the commands: a shell would keep them in its history.
function Use({ token, project }: { token: Token; project: string }) {
  const place = token.environment ?? 'production'
  switch (token.kind) {
    case 'server':
      return (
        <p>
          A service reads it from its environment, such as <code className="mono">DIMMER_SDK_TOKEN</code>, and gives it to the SDK: <code className="mono">dimmer.New(address, dimmer.WithToken(token))</code>
        </p>
      )
    case 'client':
      return <p>It goes into a web page or an app. It can be read there by anyone, and gets values of client-visible flags alone.</p>
    case 'kill':
      return (
        <p>
          A runbook kills with it: set <code className="mono">DIMMER_TOKEN</code>, then{' '}
          <code className="mono">
            dimmer kill FLAG -e {place} -p {project} --reason "…"
          </code>
        </p>
      )
  }
  return (
    <p>
      Sign in here with it, or set <code className="mono">DIMMER_TOKEN</code> for the command line.
    </p>
  )
}

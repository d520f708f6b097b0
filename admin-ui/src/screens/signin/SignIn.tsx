import { Button, TextInput } from '@mantine/core'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { type FormEvent, useEffect, useState } from 'react'
import { type ProblemError, asProblem } from '../../api/problem'
import { session, useSession } from '../../app/session'
import { Command } from '../../components/Command'
import { Mark } from '../../components/icons'
import classes from './SignIn.module.css'
import { codeOf, safeNext, tokenError } from './next'

const route = getRouteApi('/signin')

// A code works once, so it is posted once, however often React runs an effect.
let trying: { code: string; done: Promise<unknown> } | undefined

export function SignIn() {
  const { next } = route.useSearch()
  const router = useRouter()
  const state = useSession()
  const [code, setCode] = useState(() => codeOf(window.location.hash))
  const [failure, setFailure] = useState<ProblemError>()
  const goOn = () => router.history.replace(safeNext(next))

  // A link that is pasted into the address bar of this very page changes the hash and loads nothing.
  useEffect(() => {
    const look = () => {
      const next = codeOf(window.location.hash)
      if (next === undefined) return
      setFailure(undefined)
      setCode(next)
    }
    window.addEventListener('hashchange', look)
    return () => window.removeEventListener('hashchange', look)
  }, [])

  useEffect(() => {
    if (code === undefined) return
    // Out of the address bar and the history at once.
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search)
    if (trying?.code !== code) trying = { code, done: session.signIn({ code }) }
    trying.done.then(goOn, (err: unknown) => setFailure(asProblem(err)))

  }, [code])

  return (
    <main className={classes.page}>
      <title>Sign in · Dimmer</title>
      <div className={classes.card}>
        <div className={classes.brand}>
          <Mark size={40} />
          <h1>Dimmer</h1>
        </div>
        {code !== undefined && !failure ? (
          <p className={classes.hint} role="status">
            Signing you in…
          </p>
        ) : (
          <TokenForm
            expired={state.kind === 'out' && state.why === 'expired'}
            failure={failure && { ...failure.problem, title: 'This sign-in link has been used, or is too old' }}
            onDone={goOn}
          />
        )}
      </div>
    </main>
  )
}

type TokenFormProps = { expired: boolean; failure: { title: string } | undefined; onDone: () => void }

function TokenForm({ expired, failure, onDone }: TokenFormProps) {
  const [token, setToken] = useState('')
  const [error, setError] = useState<string>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const text = token.trim()
    if (text === '') return setError('Paste your token here')
    setBusy(true)
    try {
      await session.signIn({ token: text })
      onDone()
    } catch (err) {
      const problem = asProblem(err)
      setError(problem.status === 401 ? 'No such token: it is mistyped, revoked or expired' : problem.message)
      setBusy(false)
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)} className={classes.form} noValidate>
      {failure && (
        <p className={classes.notice} role="alert">
          {failure.title}. Ask for a new one, or sign in with your token.
        </p>
      )}
      {expired && !failure && <p className={classes.notice}>Your session is over. Sign in again, and you are back where you were.</p>}
      <TextInput
        label="Your token"
        type="password"
        name="token"
        autoComplete="current-password"
        autoCapitalize="none"
        spellCheck={false}
        placeholder="dma_…"
        size="md"
        autoFocus
        value={token}
        error={tokenError(token.trim()) ?? error}
        onChange={(event) => {
          setToken(event.currentTarget.value)
          setError(undefined)
        }}
      />
      <Button type="submit" variant="primary" size="md" fullWidth loading={busy}>
        Sign in
      </Button>
      <div className={classes.hint}>
        <p>Where the command line knows the server, it prints a link that signs you in:</p>
        <Command>dimmer ui</Command>
      </div>
    </form>
  )
}

// safeNext is where to go after signing in: a path of this site. Anything else, such as //elsewhere or javascript:, is the front page.
export function safeNext(next: string | undefined): string {
  if (next === undefined || !/^\/(?![/\\])/.test(next) || next.startsWith('/signin')) return '/'
  const base = 'http://dimmer.invalid'
  try {
    const url = new URL(next, base)
    return url.origin === base ? url.pathname + url.search + url.hash : '/'
  } catch {
    return '/'
  }
}

// codeOf is the one-time code in a URL's fragment, which no server and no proxy sees.
export function codeOf(hash: string): string | undefined {
  return new URLSearchParams(hash.replace(/^#/, '')).get('code') || undefined
}

// tokenError says what is wrong with a token as it is typed; undefined: nothing that can be seen.
export function tokenError(token: string): string | undefined {
  if (token === '' || token.startsWith('dma_')) return undefined
  if (token.startsWith('dms_')) return 'This is a server token, for SDKs. People sign in with an admin token: dma_…'
  if (token.startsWith('dmc_')) return 'This is a client token, for browsers and apps. People sign in with an admin token: dma_…'
  if (token.startsWith('dmk_')) return 'This is a kill token, which can kill and nothing else. People sign in with an admin token: dma_…'
  return 'dma_'.startsWith(token) ? undefined : 'An admin token begins with dma_'
}

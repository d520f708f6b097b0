import { describe, expect, test } from 'vitest'
import { until } from './server'
import { stage } from './browser'

const on = stage()

describe('signing in', () => {
  test('a link signs in once, and leaves no trace in the address', async () => {
    const server = await on.server()
    const link = await server.signInLink()
    const ann = await on.stranger(server)
    await ann.page.goto(link)
    await ann.page.waitForURL('**/p/shop/flags')
    expect(await ann.page.title()).toContain('Dimmer')
    const cookies = await ann.context.cookies()
    expect(cookies.map(({ name, httpOnly, sameSite, path }) => ({ name, httpOnly, sameSite, path }))).toEqual([
      { name: 'dimmer_dev', httpOnly: true, sameSite: 'Lax', path: '/' },
    ])
    expect(await ann.page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage }) + location.href)).not.toContain(link.split('code=')[1])

    const bob = await on.stranger(server)
    await bob.page.goto(link)
    await bob.page.getByRole('alert').waitFor()
    expect(await bob.page.getByRole('alert').innerText()).toMatch(/used/)
    expect(await bob.context.cookies()).toEqual([])
    // The next link, into the same page's address bar.
    await bob.page.goto(await server.signInLink())
    await bob.page.waitForURL('**/p/shop/flags')
  })

  test('a token signs in, a wrong one says so beside the field', async () => {
    const server = await on.server()
    const ann = await on.stranger(server)
    await ann.go('/p/shop/log')
    const field = ann.page.getByLabel(/token/i)
    await field.fill('dma_wrong')
    await field.press('Enter')
    await ann.page.getByText(/No such token/).waitFor()
    await field.fill(server.token)
    await field.press('Enter')
    await ann.page.waitForURL('**/p/shop/log*') // where one was going
    expect(await ann.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain(server.token)
  })

  test('signing out ends the session in every tab, and a revoked token within 5 s', async () => {
    const server = await on.server()
    const ann = await on.person(server)
    const other = await ann.context.newPage()
    await other.goto(`${server.url}/p/shop/flags`)
    await ann.page.getByRole('button', { name: /account|signed in|first admin/i }).click()
    await ann.page.getByRole('menuitem', { name: /sign out/i }).click()
    await ann.page.waitForURL('**/signin*')
    expect(await ann.context.cookies()).toEqual([])
    await other.waitForURL('**/signin*', { timeout: 10_000 })

    const made = await server.call<{ token: { id: string }; secret: string }>('POST', '/v1/projects/shop/tokens', { name: 'bob', kind: 'admin', role: 'viewer' })
    const bob = await on.stranger(server)
    await bob.go('/signin')
    await bob.page.getByLabel(/token/i).fill(made.secret)
    await bob.page.getByRole('button', { name: /sign in/i }).click()
    await bob.page.waitForURL('**/p/shop/flags*')
    await server.call('DELETE', `/v1/projects/shop/tokens/${made.token.id}`)
    const from = Date.now()
    await bob.page.waitForURL('**/signin*', { timeout: 10_000 })
    expect(Date.now() - from).toBeLessThan(5_000)
  })

  test('a page that is not open to strangers says nothing before one has signed in', async () => {
    const server = await on.server()
    await server.flag('new-checkout')
    const stranger = await on.stranger(server)
    await stranger.go('/p/shop/flags/new-checkout')
    await stranger.page.waitForURL('**/signin*')
    await until('the form', () => stranger.page.getByLabel(/token/i).isVisible())
    expect(await stranger.page.content()).not.toContain('new-checkout"')
  })

  test('holds on every node of a store, and ends on every node', async () => {
    const a = await on.server('redis')
    const b = await a.another()
    try {
      await a.flag('new-checkout')
      const ann = await on.person(a)
      const there = await ann.context.newPage() // cookies do not tell ports apart
      await there.goto(`${b.url}/p/shop/flags`)
      await there.getByRole('row').filter({ hasText: 'new-checkout' }).waitFor()
      await a.call('POST', '/v1/projects/shop/flags/new-checkout/environments/production/kill', { reason: 'on the one node', wait: 'none' })
      await there.getByRole('row').filter({ hasText: 'new-checkout' }).getByText(/Killed/).waitFor({ timeout: 5000 })
      await there.getByRole('button', { name: /account|signed in|first admin/i }).click()
      await there.getByRole('menuitem', { name: /sign out/i }).click()
      await there.waitForURL('**/signin*')
      await ann.page.waitForURL('**/signin*', { timeout: 10_000 })
    } finally {
      await b.down()
    }
  })

  test('the pages run and load what came with them, and nothing that somebody slips in', async () => {
    const server = await on.server()
    const ann = await on.person(server)
    expect(ann.complaints).toEqual([])
    const ran = await ann.page.evaluate(async () => {
      const before = document.title
      const add = (tag: string, text: string) => document.head.append(Object.assign(document.createElement(tag), { textContent: text }))
      add('script', 'document.title = "inline"')
      add('style', 'body { outline-style: dotted !important }')
      const image = new Image()
      image.src = 'https://example.invalid/pixel.png'
      const loaded = await fetch('https://example.invalid/').then(() => 'fetched', () => 'refused')
      return { title: document.title === before, style: getComputedStyle(document.body).outlineStyle, loaded }
    })
    expect(ran).toEqual({ title: true, style: 'none', loaded: 'refused' })
    await until('each is refused by the policy', () => ann.complaints.filter((c) => /Content Security Policy/.test(c)).length >= 4)
    ann.complaints.length = 0
  })
})

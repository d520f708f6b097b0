import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { stage } from './browser'
import { until } from './server'

const on = stage()

describe('tokens', () => {
  test('a new one is shown once, works, and stops working when it is revoked', async () => {
    const server = await on.server()
    const ann = await on.person(server)
    await ann.go('/p/shop/tokens')
    await ann.page.getByRole('button', { name: 'New token' }).first().click()
    const dialog = ann.page.getByRole('dialog')
    await dialog.getByLabel(/^Name/).fill('carol')
    await dialog.getByRole('radio', { name: /^Administration/ }).click()
    await dialog.getByRole('button', { name: /^(Create|Make)/ }).click()
    const secret = await until('the secret', async () => /dm[ask]_[a-z2-7_]+/.exec(await ann.page.getByRole('dialog').innerText())?.[0])
    const ask = async () => (await fetch(`${server.url}/v1/whoami`, { headers: { Authorization: `Bearer ${secret}` } })).status
    expect(await ask()).toBe(200)
    await ann.go('/p/shop/tokens')
    const row = ann.page.getByRole('row').filter({ hasText: 'carol' })
    await row.waitFor()
    expect(await ann.page.content()).not.toContain(secret)
    await row.getByRole('button', { name: /^Revoke/ }).click()
    await ann.page.getByRole('dialog').getByRole('button', { name: /^Revoke/ }).click()
    await ann.page.getByRole('dialog').waitFor({ state: 'detached' })
    await until('it is refused', async () => (await ask()) === 401, 5000)
  })
})

describe('segments', () => {
  test('a segment is made, keys are listed, and a rule of a flag uses it', async () => {
    const server = await on.server()
    const ann = await on.person(server)
    await ann.go('/p/shop/segments')
    await ann.page.getByRole('button', { name: 'New segment' }).first().click()
    const dialog = ann.page.getByRole('dialog')
    await dialog.getByLabel(/^Key/).fill('pilots')
    await dialog.getByRole('button', { name: /^(Create|Make)/ }).click()
    await ann.page.getByRole('heading', { name: /pilots/ }).waitFor()
    await ann.page.getByRole('button', { name: /Add keys/ }).first().click()
    await ann.page.getByRole('dialog').getByRole('textbox').first().fill('user-7\nuser-8')
    await ann.page.getByRole('dialog').getByRole('button', { name: /^Add/ }).click()
    await until('the list has both', async () => {
      const lists = await Promise.all(
        ['development', 'staging', 'production'].map((e) => server.call<{ items: string[] }>('GET', `/v1/projects/shop/segments/pilots/environments/${e}/lists/include`)),
      )
      return lists.some((l) => l.items.includes('user-7') && l.items.includes('user-8'))
    })
  })
})

describe('environments', () => {
  test('two are compared, and targeting is copied after its difference was shown', async () => {
    const server = await on.server()
    await server.flag('new-checkout')
    await server.call('POST', '/v1/projects/shop/flags/new-checkout/environments/staging/ramp', { exposure: 40, reason: 'tried out' })
    const ann = await on.person(server)
    await ann.go('/p/shop/environments?compare=staging..production')
    await ann.page.getByRole('checkbox', { name: 'Tick new-checkout' }).press('Space')
    await ann.page.getByRole('region', { name: 'Copy' }).getByRole('button', { name: /Production/ }).first().click()
    const dialog = ann.page.getByRole('dialog')
    await dialog.getByText(/40/).first().waitFor()
    await dialog.getByLabel(/^Reason/).fill('as it was tried out')
    await dialog.getByRole('button', { name: /^Copy/ }).click()
    await until('production is at 40 %', async () => {
      const t = await server.call<{ default: { distribution?: { exposure: number } } }>('GET', '/v1/projects/shop/flags/new-checkout/environments/production')
      return t.default.distribution?.exposure === 40
    })
  })
})

describe('the log', () => {
  test('is filtered in the address, and exported with nothing that a spreadsheet would run', async () => {
    const server = await on.server()
    await server.flag('one')
    await server.flag('two')
    const formula = '=HYPERLINK("http://evil.example","x")'
    await server.call('POST', '/v1/projects/shop/flags/one/environments/staging/ramp', { exposure: 1, reason: formula })
    const ann = await on.person(server)
    await ann.go('/p/shop/log?flag=one')
    await ann.page.getByText(formula).waitFor()
    expect(await ann.page.getByText('two', { exact: true }).count()).toBe(0)
    const [download] = await Promise.all([ann.page.waitForEvent('download'), ann.page.getByRole('button', { name: /Export CSV/ }).click()])
    const text = await readFile(await download.path(), 'utf8')
    expect(text).toContain('HYPERLINK')
    expect(text).not.toMatch(/(^|[\n,;]"?)[=+@-]/m)
  })
})

describe('a viewer', () => {
  test('sees everything and can change nothing', async () => {
    const server = await on.server()
    await server.flag('new-checkout')
    const made = await server.call<{ secret: string }>('POST', '/v1/projects/shop/tokens', { name: 'vera', kind: 'admin', role: 'viewer' })
    const vera = await on.stranger(server)
    await vera.go('/signin')
    await vera.page.getByLabel(/token/i).fill(made.secret)
    await vera.page.keyboard.press('Enter')
    await vera.page.waitForURL('**/p/shop/flags*')
    await vera.go('/p/shop/flags/new-checkout?env=production')
    await vera.page.getByText(/your role is viewer/).waitFor()
    for (const role of ['slider', 'switch', 'textbox', 'checkbox'] as const) expect(await vera.page.getByRole('main').getByRole(role).count(), role).toBe(0)
    expect(await vera.page.getByRole('button', { name: /^Kill|Add a rule|Restore|Save|^Edit/ }).count()).toBe(0)
    await vera.go('/p/shop/tokens')
    await vera.page.getByRole('alert').or(vera.page.getByText(/may not|not allowed|admin/i)).first().waitFor()
  })
})

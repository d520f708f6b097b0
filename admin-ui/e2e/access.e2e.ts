import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stage, violations } from './browser'
import { screens } from './screens'
import { Server } from './server'

const on = stage()

// Axe-core finds nothing on any screen, in both colour schemes, wide and narrow, and with each dialog open.
describe.each(['dark', 'light'] as const)('accessibility, %s', (scheme) => {
  let server: Server
  beforeAll(async () => {
    server = await Server.start('dev')
    await server.call('POST', '/v1/projects/shop/flags/new-checkout/environments/production/ramp', { exposure: 12.5, reason: 'first steps' })
    await server.call('POST', '/v1/projects/shop/flags/express-pay/environments/production/kill', { reason: 'payments fail', wait: 'none' })
  })
  afterAll(async () => await server.close())

  const arrive = async (width: number) => {
    const ann = await on.stranger(server, { colorScheme: scheme, viewport: { width, height: 800 } })
    await ann.page.addInitScript((to) => localStorage.setItem('dimmer-color-scheme', to), scheme)
    return ann
  }

  test('sign-in', async () => {
    const ann = await arrive(1280)
    await ann.go('/signin')
    await ann.page.getByLabel(/token/i).waitFor()
    expect(await violations(ann.page)).toEqual([])
  })

  test.each([1280, 360])('every screen at %i px', async (width) => {
    const ann = await arrive(width)
    await ann.signIn()
    const found: string[] = []
    for (const screen of screens) {
      await ann.go(screen.path)
      const comes = await ann.page.getByRole(screen.ready.role, { name: screen.ready.name }).first().waitFor({ timeout: 5000 }).then(() => true, () => false)
      if (!comes) found.push(`${screen.name}: does not come`)
      await ann.page.getByRole('status', { name: /^Loading/ }).first().waitFor({ state: 'detached', timeout: 5000 })
      for (const line of await violations(ann.page)) found.push(`${screen.name}: ${line}`)
      const title = await ann.page.title()
      if (!/ · Dimmer$/.test(title)) found.push(`${screen.name}: its title is ${title}`)
      // Nothing is cut off: the page itself never scrolls sideways.
      const wide = await ann.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wide > 0) found.push(`${screen.name}: ${wide} px wider than the window`)
    }
    expect(found).toEqual([])
  }, 120_000)

  test('dialogs: palette, new flag, kill', async () => {
    const ann = await arrive(1280)
    await ann.signIn()
    await ann.page.getByRole('heading', { name: /^Flags/ }).waitFor()
    const found: string[] = []
    const look = async (name: string) => {
      await ann.page.getByRole('dialog').waitFor()
      for (const line of await violations(ann.page)) found.push(`${name}: ${line}`)
      await ann.page.keyboard.press('Escape')
      await ann.page.getByRole('dialog').waitFor({ state: 'detached' })
    }
    await ann.page.keyboard.press('Control+k')
    await look('palette')
    await ann.page.getByRole('button', { name: 'New flag' }).click()
    await look('new flag')
    await ann.page.getByRole('button', { name: /Kill by tag/ }).click()
    await look('kill by tag')
    expect(found).toEqual([])
  })
})

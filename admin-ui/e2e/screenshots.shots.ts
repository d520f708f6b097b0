import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Person, stage } from './browser'
import { screens } from './screens'
import { Server } from './server'

// Pictures of every screen, light and dark, desktop and phone, into $SCREENSHOTS; and three as they stand in the README, from where they are copied
// to docs/images when they have changed.
const on = stage()
const folder = process.env.SCREENSHOTS ?? ''
const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } }

async function settled(person: Person) {
  await person.page.waitForLoadState('networkidle').catch(() => undefined) // the event stream is no idle network
  await person.page.evaluate(() => document.fonts.ready)
}

async function shots(person: Person, name: (screen: string) => string) {
  for (const screen of screens) {
    await person.go(screen.path)
    await person.page.getByRole(screen.ready.role, { name: screen.ready.name }).first().waitFor().catch(() => person.complaints.push(`${screen.name} does not come`))
    await person.page.getByRole('progressbar').first().waitFor({ state: 'detached', timeout: 3000 }).catch(() => undefined)
    await person.page.waitForTimeout(150)
    await person.page.screenshot({ path: join(folder, name(screen.name)) })
  }
}

test('for the README', async () => {
  await mkdir(folder, { recursive: true })
  const server = await Server.start('dev')
  try {
    await server.shops(11)
    const change = (flag: string, environment: string, verb: string, body: object) => server.call('POST', `/v1/projects/shop/flags/${flag}/environments/${environment}/${verb}`, body)
    await change('new-checkout', 'production', 'ramp', { exposure: 25, reason: 'first quarter' })
    for (const [flag, exposure] of [['delivery-slots', 100], ['dark-mode', 50], ['gift-cards', 5], ['analytics', 100]] as const) {
      await change(flag, 'staging', 'on', { reason: 'for testers' })
      await change(flag, 'staging', 'ramp', { exposure, reason: 'for testers' })
    }
    await change('express-pay', 'production', 'kill', { reason: 'the provider times out', wait: 'none' })
    const ann = await on.person(server, { colorScheme: 'dark', viewport: { width: 1280, height: 760 } })
    const shot = async (name: string) => {
      await settled(ann)
      await ann.page.waitForTimeout(300)
      await ann.page.screenshot({ path: join(folder, `readme-${name}.png`) })
    }
    await ann.page.getByRole('row').filter({ hasText: 'express-pay' }).waitFor()
    await shot('flags')
    await ann.go('/p/shop/flags/new-checkout?env=production')
    await ann.page.getByRole('textbox', { name: /^Exposure of everyone( else)? in percent$/ }).fill('40')
    await ann.page.getByRole('region', { name: 'Unsaved changes' }).waitFor()
    await ann.page.mouse.move(0, 0)
    await shot('dimmer')
    await ann.page.getByRole('button', { name: 'Discard' }).click()
    await ann.page.getByRole('button', { name: 'Kill', exact: true }).click()
    await ann.page.getByLabel(/reason/i).fill('checkout errors after 14:02')
    await ann.page.keyboard.press('Enter')
    await ann.page.getByText(/Arrived everywhere/).waitFor()
    await shot('kill')
  } finally {
    await server.close()
  }
})

test('screenshots', async () => {
  await mkdir(folder, { recursive: true })
  const server = await Server.start('dev')
  try {
    await server.call('POST', '/v1/projects/shop/flags/new-checkout/environments/production/ramp', { exposure: 25, reason: 'first quarter' })
    for (const [size, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ['dark', 'light'] as const) {
        const person = await on.stranger(server, { viewport, deviceScaleFactor: size === 'phone' ? 2 : 1, colorScheme })
        await person.page.addInitScript((scheme) => localStorage.setItem('dimmer-color-scheme', scheme), colorScheme)
        await person.go('/signin')
        await settled(person)
        await person.page.screenshot({ path: join(folder, `signin-${colorScheme}-${size}.png`) })
        await person.signIn()
        await shots(person, (screen) => `${screen}-${colorScheme}-${size}.png`)
        expect(person.complaints).toEqual([])
        await person.leave()
      }
    }
  } finally {
    await server.close()
  }
})

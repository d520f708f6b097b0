import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Person, stage } from './browser'
import { screens } from './screens'
import { Server } from './server'

// Pictures of every screen, light and dark, desktop and phone, into $SCREENSHOTS; three of them, in docs/images, stand in the README.
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

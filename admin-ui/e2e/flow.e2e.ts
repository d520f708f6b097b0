import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { stage } from './browser'
import { type Server, until } from './server'

const on = stage()

const users = Array.from({ length: 400 }, (_, i) => `user-${i}`)

// exposedTo is how many of the users get the new variant.
async function exposedTo(server: Server, flag: string): Promise<number> {
  const answers = await Promise.all(users.map((user) => server.evaluate(flag, 'production', user)))
  return answers.filter((a) => a.value === true).length
}

const state = (page: Page, environment: string) => page.getByRole('navigation', { name: 'Environments' }).getByRole('link', { name: environment })

async function save(page: Page, reason: string, act: RegExp) {
  await page.getByRole('button', { name: 'Save…' }).click()
  const dialog = page.getByRole('dialog', { name: /^Save / })
  await dialog.getByLabel(/^Reason/).fill(reason)
  await dialog.getByRole('button', { name: act }).click()
  await dialog.waitFor({ state: 'detached' })
}

// The whole story, on the store that one process has and on a Redis.
describe.each(['local', 'redis'] as const)('on %s', (kind) => {
  test('create, target, ramp, a second browser sees it, evaluate, kill, clear, restore', async () => {
    const server = await on.server(kind)
    const ann = await on.person(server)
    const bob = await on.person(server)
    await bob.go('/p/shop/flags')

    // create
    await ann.page.getByRole('button', { name: 'New flag' }).click()
    const create = ann.page.getByRole('dialog')
    await create.getByLabel(/^Key/).fill('new-checkout')
    await create.getByLabel(/^Name/).fill('New checkout')
    await create.getByRole('button', { name: /^Create/ }).click()
    await ann.page.getByRole('heading', { name: /New checkout/ }).waitFor()
    const row = bob.page.getByRole('row').filter({ hasText: 'new-checkout' })
    await row.waitFor({ timeout: 2000 })

    // target
    await state(ann.page, 'Production').click()
    await ann.page.getByRole('switch', { name: 'Targeting is on' }).press('Space')
    await ann.page.getByRole('button', { name: 'Add a rule' }).click()
    const condition = ann.page.getByRole('group', { name: 'Condition of rule 1' })
    await condition.getByLabel('Attribute', { exact: true }).fill('plan')
    await condition.getByLabel(/Values that plan/).fill('pro')
    await condition.getByLabel(/Values that plan/).press('Enter')
    await save(ann.page, 'pro customers first', /^Save/)
    expect((await server.evaluate('new-checkout', 'production', 'user-1')).value).toBe(false)

    // ramp: who is exposed at 10 % stays so at 50 %
    await ann.page.getByRole('textbox', { name: /^Exposure of everyone( else)? in percent$/ }).fill('10')
    await save(ann.page, 'a tenth', /^Set to 10 %/)
    const tenth = await exposedTo(server, 'new-checkout')
    expect(tenth).toBeGreaterThan(10)
    expect(tenth).toBeLessThan(90)
    const from = Date.now()
    await ann.page.getByRole('textbox', { name: /^Exposure of everyone( else)? in percent$/ }).fill('50')
    await save(ann.page, 'half', /^Set to 50 %/)

    // a second browser sees it
    await row.getByText(/50\s%|rule/).waitFor({ timeout: 2000 })
    expect(Date.now() - from).toBeLessThan(5000)
    await row.getByRole('link').first().click()
    await bob.page.getByRole('heading', { name: /New checkout/ }).waitFor()
    await state(bob.page, 'Production').click()
    expect(await bob.page.getByRole('slider', { name: /^Exposure of everyone( else)?$/ }).getAttribute('aria-valuenow')).toBe('50')

    // evaluate
    await bob.page.getByRole('link', { name: 'Evaluate' }).click()
    await bob.page.getByRole('region', { name: 'Context' }).getByLabel('plan').fill('pro')
    const answer = bob.page.getByRole('region', { name: 'Answer' })
    await answer.getByText(/TARGETING_MATCH/).waitFor()
    expect(await answer.getByRole('list', { name: 'How the answer came about' }).getByRole('listitem').first().innerText()).toMatch(/Rule 1[\s\S]*plan[\s\S]*pro/)
    await bob.page.getByRole('region', { name: 'Context' }).getByLabel('plan').fill('free')
    await answer.getByText(/SPLIT|DEFAULT|no context|targetingKey/i).first().waitFor()

    // kill
    await ann.page.getByRole('button', { name: 'Kill', exact: true }).click()
    const kill = ann.page.getByRole('dialog')
    await kill.getByLabel(/reason/i).fill('errors at checkout')
    await kill.getByLabel(/reason/i).press('Enter')
    await ann.page.getByRole('dialog', { name: /Killed new-checkout in production/ }).getByText(/has it|Arrived/).waitFor()
    expect(await exposedTo(server, 'new-checkout')).toBe(0)
    const killed = bob.page.getByRole('region', { name: 'Killed' })
    await killed.getByText('errors at checkout').waitFor({ timeout: 2000 })
    await killed.getByText(/^first admin/).waitFor() // a name, and not an id
    await ann.page.getByRole('button', { name: 'Done' }).click()

    // clear
    await bob.page.getByRole('button', { name: 'Clear this kill…' }).click()
    const clear = bob.page.getByRole('dialog')
    await clear.getByLabel(/^Reason/).fill('fixed')
    await clear.getByRole('button', { name: 'Clear the kill' }).click()
    await clear.waitFor({ state: 'detached' })
    await ann.page.getByRole('region', { name: 'Killed' }).waitFor({ state: 'detached', timeout: 2000 })
    expect(await exposedTo(server, 'new-checkout')).toBeGreaterThan(150)

    // restore, which the other browser sees
    await bob.page.getByRole('link', { name: 'Targeting' }).click()
    const slider = bob.page.getByRole('slider', { name: /^Exposure of everyone( else)?$/ })
    expect(await slider.getAttribute('aria-valuenow')).toBe('50')
    await ann.page.getByRole('link', { name: 'History' }).click()
    const entry = ann.page.getByRole('listitem').filter({ hasText: 'a tenth' })
    await entry.getByRole('button', { name: 'Restore this…' }).click()
    await ann.page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
    await ann.page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await exposedTo(server, 'new-checkout')).toBe(tenth)
    await until('the other browser shows 10 %', async () => (await slider.getAttribute('aria-valuenow')) === '10', 2000)
  })
})

import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import type { Flag, Targeting } from '../src/lib/model'
import { stage, violations } from './browser'
import type { Server } from './server'

const on = stage()

const home = '/v1/projects/shop/flags/ranking'
const place = `${home}/environments/production`
const page = '/p/shop/flags/ranking?env=production'
const slider = (p: Page) => p.getByRole('slider', { name: 'Exposure of everyone else' })

// ranking is a flag of JSON with a schema, three rules, and a split of two.
async function ranking(server: Server) {
  await server.call('POST', '/v1/projects/shop/segments', { key: 'staff' })
  await server.flag('ranking', {
    type: 'json', kind: 'experiment',
    jsonSchema: { type: 'object', required: ['model'], properties: { model: { type: 'string' }, timeout: { type: 'integer', minimum: 10 } } },
    variants: [{ key: 'off', value: { model: 'words' } }, { key: 'near', value: { model: 'near', timeout: 200 } }, { key: 'both', value: { model: 'both' } }],
  })
  const share = { distribution: { exposure: 40, weights: { near: 60, both: 40 }, bucketBy: ['company.id', 'targetingKey'] } }
  await server.call('PUT', place, {
    enabled: true, off: 'off',
    rules: [
      { id: 'r-staff', name: 'Staff', when: { any: [{ segment: 'staff' }, { not: { attribute: 'plan', op: 'in', values: ['free', 'pro'] } }] }, serve: { variant: 'near' } },
      { id: 'r-europe', when: { all: [{ attribute: 'country', op: 'in', values: ['DE', 'AT'] }, { attribute: 'app.version', op: 'semverGte', values: ['2.4'] }] }, serve: share },
      { id: 'r-old', when: { attribute: 'age', op: 'gte', values: [65] }, serve: { variant: 'off' } },
    ],
    default: { distribution: { exposure: 25, weights: { near: 55, both: 45 }, otherwise: 'off' } },
  }, { 'If-Match': '*' })
}

const order = async (server: Server) => (await server.call<Targeting>('GET', place)).rules?.map((r) => r.id)
const exposure = async (server: Server) => (await server.call<Targeting>('GET', place)).default.distribution?.exposure

async function save(p: Page) {
  await p.keyboard.press('Control+s')
  const dialog = p.getByRole('dialog', { name: /^Save/ })
  await dialog.waitFor()
  await p.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
}

describe('the dimmer', () => {
  test('is turned to 0.001 % with the keyboard, and one click brings back what was', async () => {
    const server = await on.server()
    await ranking(server)
    const { page: p, ...ann } = await arrive(server)
    await slider(p).focus()
    for (const key of ['ArrowRight', 'Shift+ArrowRight', 'Alt+ArrowRight', 'Control+ArrowLeft']) await p.keyboard.press(key)
    expect(await slider(p).getAttribute('aria-valuetext')).toBe('35.901 percent')
    await p.getByText('+10.901 %').waitFor() // who enters
    await save(p)
    expect(await exposure(server)).toBe(35.901)
    await p.getByRole('button', { name: 'Undo' }).click()
    await p.getByText('Undone').waitFor()
    expect(await exposure(server)).toBe(25)
    expect(await slider(p).getAttribute('aria-valuetext')).toBe('25 percent')
    expect(ann.complaints).toEqual([])
  })

  test('says exactly who switches when the split changes', async () => {
    const server = await on.server()
    await ranking(server)
    const { page: p } = await arrive(server)
    await p.getByRole('textbox', { name: 'Share of near among the exposed of everyone else' }).fill('50')
    await p.getByText('5 % still to be given').waitFor()
    await p.getByRole('button', { name: '+5', exact: true }).last().click()
    await p.keyboard.press('Control+s')
    await p.getByRole('dialog').getByRole('row', { name: 'everyone else 0 0 1.25 %' }).waitFor()
  })
})

describe('rules', () => {
  test('are put in order with the arrow keys and with the pointer', async () => {
    const server = await on.server()
    await ranking(server)
    const { page: p } = await arrive(server)
    await p.getByRole('button', { name: /^Move 1 Staff/ }).focus()
    await p.keyboard.press('ArrowDown')
    await p.keyboard.press('ArrowDown') // the handle has kept the focus
    await save(p)
    expect(await order(server)).toEqual(['r-europe', 'r-old', 'r-staff'])
    const [from, to] = [await p.getByRole('button', { name: /place 1 of 3/ }).boundingBox(), await p.getByRole('button', { name: /place 3 of 3/ }).boundingBox()]
    if (!from || !to) throw new Error('there are no handles')
    await p.mouse.move(from.x + 8, from.y + 8)
    await p.mouse.down()
    await p.mouse.move(from.x + 8, to.y + to.height + 8, { steps: 20 })
    await p.mouse.up()
    await save(p)
    expect(await order(server)).toEqual(['r-old', 'r-staff', 'r-europe'])
  })

  test('that cannot be saved say so at the field, and nothing is sent', async () => {
    const server = await on.server()
    await ranking(server)
    const { page: p } = await arrive(server)
    await p.getByRole('button', { name: 'Open Rule 3' }).click()
    const condition = p.getByRole('group', { name: 'Condition of rule 3' })
    await condition.getByLabel('Attribute', { exact: true }).fill('email')
    await condition.getByLabel('How email is compared').selectOption('matches')
    await p.getByRole('button', { name: 'Save…' }).click()
    await condition.getByText('at least one value is needed').waitFor()
    await condition.getByLabel(/^Values that email/).fill('([a')
    await condition.getByLabel(/^Values that email/).press('Enter')
    await condition.getByText(/missing closing/).waitFor()
    await p.getByRole('button', { name: 'Save…' }).click()
    expect(await p.getByRole('dialog').count()).toBe(0)
    await p.getByRole('button', { name: 'Discard' }).click()
    await p.getByRole('button', { name: 'Discard' }).waitFor({ state: 'detached' })
  })
})

test('what is not saved stays with its environment, and is not left without being asked', async () => {
  const server = await on.server()
  await ranking(server)
  const { page: p } = await arrive(server)
  await p.getByRole('textbox', { name: 'Exposure of everyone else in percent' }).fill('30')
  await p.getByRole('navigation', { name: 'Environments' }).getByRole('link', { name: 'Staging' }).click()
  await p.getByRole('slider', { name: 'Exposure of everyone' }).waitFor()
  await p.getByRole('link', { name: 'Flags' }).first().click()
  const dialog = p.getByRole('dialog', { name: /^Leave ranking/ })
  await dialog.getByText('production: everyone else: exposure 25 % → 30 %').waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await dialog.waitFor({ state: 'detached' })
  await p.getByRole('navigation', { name: 'Environments' }).getByRole('link', { name: 'Production' }).click()
  expect(await slider(p).getAttribute('aria-valuetext')).toBe('30 percent')
  await p.getByRole('link', { name: 'Flags' }).first().click()
  await dialog.getByRole('button', { name: 'Leave without saving' }).click()
  await p.getByRole('heading', { name: /^Flags/ }).waitFor()
  expect(await exposure(server)).toBe(25)
})

test('a variant that its schema refuses is told at the variant', async () => {
  const server = await on.server()
  await ranking(server)
  const { page: p } = await arrive(server)
  await p.getByRole('button', { name: 'Edit variants' }).click()
  const dialog = p.getByRole('dialog', { name: 'Variants of ranking' })
  await dialog.getByRole('textbox', { name: 'Value of near' }).click()
  await p.keyboard.press('Control+a')
  await p.keyboard.type('{"model": "near", "timeout": 5')
  await dialog.getByText(/not (complete )?JSON/).waitFor()
  expect(await dialog.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true)
  await p.keyboard.type('}')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByText(/^timeout: .*minimum/).waitFor()
  expect((await server.call<Flag>('GET', home)).variants?.[1]?.value).toEqual({ model: 'near', timeout: 200 })
})

describe.each(['dark', 'light'] as const)('accessibility of the flag page, %s', (colorScheme) => {
  test('with rules open, with its dialogs, and in an evaluation', async () => {
    const server = await on.server()
    await ranking(server)
    const { page: p } = await arrive(server, colorScheme)
    const found: string[] = []
    const look = async (name: string) => {
      for (const line of await violations(p)) found.push(`${name}: ${line}`)
    }
    await p.getByRole('button', { name: 'Open 1 Staff' }).click()
    await p.getByRole('button', { name: 'Open Rule 2' }).click()
    await look('rules')
    await p.getByRole('button', { name: 'Edit variants' }).click()
    await p.getByRole('textbox', { name: 'Value of near' }).waitFor()
    await look('variants')
    await p.keyboard.press('Escape')
    await p.getByRole('dialog').waitFor({ state: 'detached' })
    await p.getByRole('button', { name: '50', exact: true }).first().click()
    await look('not saved')
    await p.keyboard.press('Control+s')
    await p.getByRole('dialog').waitFor()
    await look('save')
    await p.keyboard.press('Escape')
    await p.getByRole('dialog').waitFor({ state: 'detached' })
    await p.getByRole('link', { name: 'Evaluate' }).click()
    await p.getByRole('combobox', { name: 'targetingKey' }).fill('ada')
    await p.getByText('With your unsaved changes').waitFor()
    await look('evaluate')
    await p.getByRole('link', { name: 'History' }).click()
    await p.getByRole('button', { name: 'Restore this…' }).first().click()
    await p.getByRole('dialog').waitFor()
    await look('restore')
    expect(found).toEqual([])
  })
})

async function arrive(server: Server, colorScheme: 'dark' | 'light' = 'dark') {
  const ann = await on.person(server)
  await ann.page.evaluate((scheme) => localStorage.setItem('dimmer-color-scheme', scheme), colorScheme)
  await ann.go(page)
  await slider(ann.page).waitFor()
  return ann
}

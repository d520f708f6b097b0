import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContext, type BrowserContextOptions, type Page, chromium } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { Server, type StoreKind } from './server'

// What a person has: a browser, signed in. Elements are found by role and name, as people find them, never by class.

const require = createRequire(import.meta.url)

let shared: Browser | undefined

// launch is Debian's Chromium, or what CHROMIUM names.
export async function launch(): Promise<Browser> {
  return await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--disable-dev-shm-usage'] })
}

// Person is one signed-in browser context with one page. What the page complained about is kept, and a test that ends with complaints fails.
export class Person {
  readonly complaints: string[] = []

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly server: Server,
  ) {
    page.on('pageerror', (err) => this.complaints.push(`uncaught: ${err.message}`))
    page.on('console', (message) => {
      if (message.type() !== 'error') return
      // Chromium itself says so of every refused or failed request; what the UI makes of those is what tests look at.
      if (/^Failed to load resource/.test(message.text())) return
      this.complaints.push(message.text())
    })
  }

  static async arrive(browser: Browser, server: Server, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options })
    context.setDefaultTimeout(15_000)
    return new Person(context, await context.newPage(), server)
  }

  async signIn() {
    await this.page.goto(await this.server.signInLink())
    await this.page.waitForURL((url) => !url.pathname.startsWith('/signin'))
  }

  async go(path: string) {
    await this.page.goto(this.server.url + path)
  }

  async leave() {
    await this.context.close()
  }
}

// Stage is what a test file has: a browser, and for each test people and servers that are gone after it.
export function stage() {
  const people: Person[] = []
  const servers: Server[] = []
  beforeAll(async () => {
    shared ??= await launch()
  })
  afterEach(async () => {
    const complaints = people.flatMap((person) => person.complaints)
    for (const person of people.splice(0)) await person.leave()
    for (const server of servers.splice(0)) await server.close()
    expect(complaints, 'what pages complained about').toEqual([])
  })
  afterAll(async () => {
    await shared?.close()
    shared = undefined
  })
  return {
    // server is a new one with a project shop.
    async server(kind: StoreKind = 'local'): Promise<Server> {
      const server = await Server.start(kind)
      servers.push(server)
      await server.shop()
      return server
    },
    // person is somebody who has signed in.
    async person(server: Server, options: BrowserContextOptions = {}): Promise<Person> {
      const person = await this.stranger(server, options)
      await person.signIn()
      return person
    },
    // stranger is somebody who has not.
    async stranger(server: Server, options: BrowserContextOptions = {}): Promise<Person> {
      if (!shared) throw new Error('no browser')
      const person = await Person.arrive(shared, server, options)
      people.push(person)
      return person
    },
  }
}

type Violation = { id: string; help: string; nodes: { target: unknown[]; failureSummary?: string }[] }

// violations is what axe-core finds on a page as it stands, each in a line. It runs past the content security policy, as a debugger does.
export async function violations(page: Page): Promise<string[]> {
  const source = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(source)
  const found = await page.evaluate(async () => {
    const axe = (window as unknown as { axe: { run: (root: Document, options: object) => Promise<{ violations: unknown }> } }).axe
    return (await axe.run(document, { resultTypes: ['violations'] })).violations
  })
  return (found as Violation[]).flatMap((v) => v.nodes.map((n) => `${v.id}: ${v.help}: ${n.target.join(' ')}: ${(n.failureSummary ?? '').split('\n').slice(1).join('; ').trim()}`))
}

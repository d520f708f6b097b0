import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

// What a test starts: the real binary on free loopback ports, on a local store in a folder of its own or on a Redis of its own.

const limit = 20_000

// until polls until what returns something else than undefined or false.
export async function until<T>(what: string, ask: () => Promise<T | undefined | false> | T | undefined | false, within = limit): Promise<T> {
  const end = Date.now() + within
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > end) throw new Error(`not within ${within / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

type Running = { process: ChildProcess; output: () => string; ended: Promise<void> }

function start(command: string, args: string[], env: NodeJS.ProcessEnv = process.env): Running {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('error', (err) => (text += String(err)))
  return { process: child, output: () => text, ended }
}

async function end(running: Running, signal: NodeJS.Signals = 'SIGTERM') {
  if (running.process.exitCode === null && running.process.signalCode === null) running.process.kill(signal)
  await running.ended
}

// StoreKind dev is a development server: a local store with the example project shop, and its example application connected.
export type StoreKind = 'local' | 'redis' | 'dev'

type Dev = { admin: string; grpc: string; sdk: Record<string, string> }

// Server is a running dimmer with an admin token.
export class Server {
  url = ''
  token = ''
  #running: Running | undefined
  #redis: Running | undefined
  #shops: Running[] = []

  private constructor(
    readonly kind: StoreKind,
    readonly folder: string,
    readonly store: string,
    redis: Running | undefined,
  ) {
    this.#redis = redis
  }

  static async start(kind: StoreKind = 'local'): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'dimmer-e2e-'))
    if (kind !== 'redis') {
      const server = new Server(kind, folder, `local:${folder}/data`, undefined)
      await server.up()
      return server
    }
    const port = await freePort()
    const redis = start(process.env.REDIS_SERVER || 'redis-server', [
      '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always',
    ])
    const server = new Server(kind, folder, `redis://127.0.0.1:${port}`, redis)
    await until('redis is up', () => /Ready to accept connections/.test(redis.output()))
    await server.up()
    return server
  }

  // another is a second node on the same store. It is gone when it is closed, and leaves the store.
  async another(): Promise<Server> {
    const server = new Server(this.kind, this.folder, this.store, undefined)
    server.token = this.token
    await server.up()
    return server
  }

  // up starts the process, at the address that it had before.
  async up() {
    const binary = process.env.DIMMER_BIN
    if (!binary) throw new Error('DIMMER_BIN names the binary that is tested')
    const http = this.url === '' ? '127.0.0.1:0' : new URL(this.url).host
    const args = ['serve', '--store', this.store, '--http', http, '--grpc', '127.0.0.1:0', '--metrics=', '--drain', '1s']
    if (this.kind === 'dev') args.push('--dev')
    const running = start(binary, args, { PATH: process.env.PATH, HOME: this.folder })
    this.#running = running
    const line = await until('the server is ready', () => {
      if (running.process.exitCode !== null) throw new Error(running.output())
      return /msg=ready .*http=(\S+)/.exec(running.output()) ?? undefined
    })
    this.url = `http://${line[1]}`
    if (this.kind === 'dev') return await this.#develop(binary)
    if (this.token === '') this.token = /(dma_[a-z2-7]+_[a-z2-7]+_[a-z2-7]+)/.exec(running.output())?.[1] ?? ''
    if (this.token === '') throw new Error(`no token in: ${running.output()}`)
  }

  async #develop(binary: string) {
    const dev = JSON.parse(await readFile(join(this.folder, 'data', 'dev.json'), 'utf8')) as Dev
    this.token = dev.admin
    await this.shops(1, dev, binary)
  }

  // shops starts example applications and waits until all are connected.
  async shops(more: number, dev?: Dev, binary = process.env.DIMMER_BIN ?? '') {
    dev ??= JSON.parse(await readFile(join(this.folder, 'data', 'dev.json'), 'utf8')) as Dev
    for (let i = 0; i < more; i++) {
      this.#shops.push(start(join(dirname(binary), 'shop'), ['-addr', '127.0.0.1:0', '-dimmer', dev.grpc], { DIMMER_SDK_TOKEN: dev.sdk.production, HOME: this.folder }))
    }
    await until('the shops are connected', async () => {
      const list = await this.call<{ items: unknown[] }>('GET', '/v1/projects/shop/instances?environment=production')
      return list.items.length >= this.#shops.length
    })
  }

  // down ends the process; what it knew is in its store.
  async down(signal: NodeJS.Signals = 'SIGTERM') {
    await Promise.all(this.#shops.splice(0).map((shop) => end(shop)))
    if (this.#running) await end(this.#running, signal)
    this.#running = undefined
  }

  async close() {
    await this.down()
    if (this.#redis) await end(this.#redis, 'SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
  }

  // call asks the API as a program does.
  async call<T = unknown>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const ask = () => fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    })
    let response = await ask()
    // Whoever makes thousands of flags as fast as the machine can is told to wait, and waits as long as he is told.
    while (response.status === 429) {
      await new Promise((done) => setTimeout(done, Number(response.headers.get('Retry-After') ?? 1) * 1000))
      response = await ask()
    }
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  // signInLink is good once.
  async signInLink(): Promise<string> {
    const made = await this.call<{ code: string }>('POST', '/v1/session/codes')
    return `${this.url}/signin#code=${made.code}`
  }

  // shop makes a project, unless it is there, with the environments that people have.
  async shop(project = 'shop') {
    if (this.kind === 'dev') return
    await this.call('POST', '/v1/projects', {
      key: project, name: 'Shop',
      environments: [
        { key: 'development', name: 'Development', order: 1 },
        { key: 'staging', name: 'Staging', order: 2 },
        { key: 'production', name: 'Production', order: 3, production: true },
      ],
    })
  }

  async flag(key: string, more: Record<string, unknown> = {}, project = 'shop') {
    await this.call('POST', `/v1/projects/${project}/flags`, { key, type: 'boolean', ...more })
  }

  // evaluate is what a program would get, for one user.
  async evaluate(flag: string, environment: string, user: string, project = 'shop'): Promise<{ variant: string; reason: string; value: unknown }> {
    return await this.call('POST', `/v1/evaluate/${flag}?project=${project}&environment=${environment}`, { context: { targetingKey: user } })
  }
}

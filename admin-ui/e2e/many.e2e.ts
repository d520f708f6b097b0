import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { stage } from './browser'

const on = stage()

const flags = 5000
// Times on a machine that does other things as well are noisy: what is measured is repeated, and the best of the runs counts, since noise only adds.
const runs = 3

describe(`${flags.toLocaleString('en')} flags`, () => {
  test('the first row is there within 1.5 s, few rows are in the document, and scrolling drops no frame', async () => {
    const server = await on.server()
    const made = Array.from({ length: flags }, (_, i) => i)
    while (made.length > 0) {
      await Promise.all(made.splice(0, 50).map((i) => server.flag(`flag-${String(i).padStart(4, '0')}`, { name: `Flag number ${i}`, tags: [`team-${i % 7}`] })))
    }
    const ann = await on.person(server)
    const rows = ann.page.getByRole('row')

    const firsts: number[] = []
    for (let run = 0; run < runs; run++) {
      await ann.go('/p/shop/flags')
      await rows.filter({ hasText: 'flag-0000' }).first().waitFor()
      firsts.push(
        await ann.page.evaluate(() => performance.now()), // since the navigation began
      )
    }
    expect(await rows.count()).toBeLessThanOrEqual(200)

    // The wheel turns; what counts is the processor time of the page's longest task. How long a frame took by the clock says as much about what else
    // the machine does, and is printed.
    await rows.filter({ hasText: 'flag-0000' }).first().hover()
    const gaps: number[] = []
    const tasks: number[] = []
    for (let run = 0; run < runs; run++) {
      await startTracing(ann.page)
      const frames = ann.page.evaluate(
        () =>
          new Promise<number[]>((resolve) => {
            const found: number[] = []
            let last = performance.now()
            const end = last + 2000
            const tick = (now: number) => {
              found.push(now - last)
              last = now
              if (now < end) requestAnimationFrame(tick)
              else resolve(found.slice(1))
            }
            requestAnimationFrame(tick)
          }),
      )
      for (let i = 0; i < 60; i++) await ann.page.mouse.wheel(0, run % 2 === 0 ? 700 : -700)
      gaps.push(...(await frames))
      tasks.push(Math.max(...(await stopTracing(ann.page))))
    }
    expect(gaps.length).toBeGreaterThan(20)
    expect(await rows.count()).toBeLessThanOrEqual(200)
    expect(await rows.filter({ hasText: 'flag-0000' }).count(), 'it has scrolled').toBe(0)
    const slow = gaps.filter((gap) => gap > 50).length
    console.log(
      `first row: ${list(firsts)} ms; longest task: ${list(tasks)} ms of processor; by the clock ${slow} of ${gaps.length} frames took more than 50 ms, at most ${list([Math.max(...gaps)])} ms`,
    )
    expect(Math.min(...firsts), 'ms to the first row').toBeLessThanOrEqual(1500)
    expect(Math.min(...tasks), 'ms of processor time of the longest task while scrolling').toBeLessThanOrEqual(50)
  }, 180_000)
})

const list = (ms: number[]) => ms.map((n) => n.toFixed(0)).join(', ')

async function startTracing(page: Page) {
  await page.context().browser()?.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] })
}

type TraceEvent = { name: string; ph: string; pid: number; tid: number; tdur?: number; args?: { name?: string } }

// stopTracing gives the processor time of each task of the pages' main threads, in ms.
async function stopTracing(page: Page): Promise<number[]> {
  const trace = await page.context().browser()?.stopTracing()
  const events = (JSON.parse(trace?.toString() ?? '{}') as { traceEvents: TraceEvent[] }).traceEvents
  const main = new Set(events.filter((e) => e.name === 'thread_name' && e.args?.name === 'CrRendererMain').map((e) => `${e.pid}/${e.tid}`))
  const tasks = events.filter((e) => e.name === 'RunTask' && e.ph === 'X' && e.tdur !== undefined && main.has(`${e.pid}/${e.tid}`))
  expect(tasks.length, 'tasks in the trace').toBeGreaterThan(20)
  return tasks.map((e) => (e.tdur ?? 0) / 1000)
}

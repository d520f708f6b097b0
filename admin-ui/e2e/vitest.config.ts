import { defineConfig } from 'vitest/config'

// Browser tests. Each file has a browser of its own, each test a server, a data folder and a browser context; two files run at a time.
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: [process.env.SCREENSHOTS ? 'e2e/*.shots.ts' : 'e2e/*.e2e.ts'],
    environment: 'node',
    testTimeout: process.env.SCREENSHOTS ? 600_000 : 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters: ['verbose'],
  },
})

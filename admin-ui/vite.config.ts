/// <reference types="vitest/config" />
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Where `npm run dev` finds a running dimmer: DIMMER_URL=http://127.0.0.1:8080.
const server = process.env.DIMMER_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  server: {
    host: '127.0.0.1',
    port: Number(process.env.PORT ?? 5173),
    proxy: Object.fromEntries(['/v1', '/openapi.yaml', '/healthz', '/readyz'].map((path) => [path, { target: server }])),
  },
  // `npm run preview` shows the build under the server's own policy.
  preview: {
    host: '127.0.0.1',
    port: Number(process.env.PORT ?? 4173),
    headers: {
      'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    },
  },
  build: {
    target: 'es2023',
    // Nothing inlined: the content security policy allows files of our own origin and no more.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 800,
  },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    environment: 'node',
  },
})

import { describe, expect, it } from 'vitest'
import { atLeast } from './rights'

describe('atLeast', () => {
  it.each([
    ['viewer', 'operator', false],
    ['operator', 'operator', true],
    ['operator', 'editor', false],
    ['admin', 'editor', true],
    ['', 'admin', true], // what the server calls it is its business, and it decides
    [undefined, 'admin', true],
  ] as const)('%s for what needs %s: %s', (role, needed, may) => expect(atLeast(role, needed)).toBe(may))
})

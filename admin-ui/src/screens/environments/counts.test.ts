import { expect, test } from 'vitest'
import type { FlagState } from '../../api/flags'
import { countStates } from './counts'

test('states are counted for one environment', () => {
  const of = (key: string, environments: FlagState['environments']): FlagState => ({ flag: { key, type: 'boolean' }, environments })
  const flags = [
    of('a', { production: { state: 'on', exposure: 100, rules: 0 }, staging: { state: 'off' } }),
    of('b', { production: { state: 'exposure', exposure: 0.001, rules: 0 } }),
    of('c', { production: { state: 'exposure', exposure: 0, rules: 0 } }),
    of('d', { production: { state: 'rules', exposure: 0, rules: 3 } }),
    of('e', { production: { state: 'killed', exposure: 0, rules: 1 } }),
    of('f', { production: { state: 'off' } }),
    of('g', { staging: { state: 'on', exposure: 100 } }),
  ]
  expect(countStates(flags, 'production')).toEqual({ all: 6, lit: 3, killed: 1, off: 2, rules: 4 })
  expect(countStates(flags, 'nowhere')).toEqual({ all: 0, lit: 0, killed: 0, off: 0, rules: 0 })
})

import { expect, test } from 'vitest'
import { until } from './until'

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000]
test.each([
  [1, 'in a minute'],
  [minute, 'in a minute'],
  [12 * minute, 'in 12 min'],
  [59 * minute, 'in 59 min'],
  [24 * hour, 'in 24 h'],
  [3 * day, 'in 3 days'],
  [59 * day, 'in 59 days'],
  [90 * day, 'in 3 months'],
  [365 * day, 'in 12 months'],
  [3 * 365 * day, 'in 3 years'],
])('%i', (ms, want) => expect(until(1_700_000_000_000 + ms, 1_700_000_000_000)).toBe(want))

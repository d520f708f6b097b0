import { expect, test } from 'vitest'
import { keyError } from './key'

test.each([
  ['new-checkout', undefined],
  ['a', undefined],
  ['9.b_c-d', undefined],
  ['a'.repeat(128), undefined],
  ['', 'A key is needed'],
  ['New', 'Lower-case letters only'],
  ['a b', 'No spaces; a dash serves'],
  ['a/b', '“/” is not allowed; letters, digits, “.”, “_” and “-” are'],
  ['<b>', '“<” is not allowed; letters, digits, “.”, “_” and “-” are'],
  ['-a', 'It begins with a letter or a digit'],
  ['a'.repeat(129), 'At most 128 characters'],
])('%s', (key, want) => expect(keyError(key)).toBe(want))

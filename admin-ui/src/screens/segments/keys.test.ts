import { describe, expect, test } from 'vitest'
import { chunkKeys, parseKeys } from './keys'

describe('parseKeys', () => {
  test.each([
    ['one a line', 'a\nb\nc', ['a', 'b', 'c']],
    ['line ends of Windows and old Macs', 'a\r\nb\rc\r\n', ['a', 'b', 'c']],
    ['white space around, empty lines', '  a \n\n\t\nb', ['a', 'b']],
    ['commas and spaces belong to a key', 'Ada, Countess\nb c', ['Ada, Countess', 'b c']],
    ['a byte order mark', '\ufeffa', ['a']],
    ['quotes of a spreadsheet', '"a,b"\n"say ""no"""', ['a,b', 'say "no"']],
    ['quotes that belong to a key', '"a" or "b"\n"', ['"a" or "b"', '"']],
    ['nothing', ' \n', []],
  ])('%s', (_, text, keys) => expect(parseKeys(text)).toEqual({ keys, duplicates: 0, bad: [], badCount: 0 }))

  test('duplicates are counted and kept once', () => {
    expect(parseKeys('a\nb\na\n a\n"b"')).toMatchObject({ keys: ['a', 'b'], duplicates: 3 })
  })

  test('a key that is too long is told with its line, in bytes and not in characters', () => {
    const got = parseKeys(`a\n${'ü'.repeat(513)}\n${'u'.repeat(1024)}`)
    expect(got.keys).toEqual(['a', 'u'.repeat(1024)])
    expect(got.bad).toEqual([{ line: 2, text: `${'ü'.repeat(40)}…`, why: 'is longer than 1,024 bytes' }])
  })

  test('bad lines are counted, and not all of them kept', () => {
    const got = parseKeys(Array.from({ length: 50 }, () => 'x'.repeat(2000)).join('\n'))
    expect(got.badCount).toBe(50)
    expect(got.bad).toHaveLength(20)
  })

  test('many lines', () => {
    const text = Array.from({ length: 200_000 }, (_, i) => `user-${i}`).join('\n')
    expect(parseKeys(text).keys).toHaveLength(200_000)
  })
})

describe('chunkKeys', () => {
  test('by number', () => {
    const keys = Array.from({ length: 2001 }, (_, i) => `k${i}`)
    const chunks = chunkKeys(keys)
    expect(chunks.map((c) => c.length)).toEqual([1000, 1000, 1])
    expect(chunks.flat()).toEqual(keys)
  })

  test('by bytes as they are sent', () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `${i}${'"'.repeat(1000)}`)
    const chunks = chunkKeys(keys)
    expect(chunks.flat()).toEqual(keys)
    for (const c of chunks) expect(JSON.stringify(c).length).toBeLessThan(250 * 1024)
    expect(chunks.length).toBeGreaterThan(1)
  })

  test('a key larger than a chunk still goes', () => expect(chunkKeys(['aaaa', 'b'], 10, 3)).toEqual([['aaaa'], ['b']]))
  test('none', () => expect(chunkKeys([])).toEqual([]))
})

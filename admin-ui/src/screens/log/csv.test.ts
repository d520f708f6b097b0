import { describe, expect, test } from 'vitest'
import { csvCell, csvFile, csvRow } from './csv'

describe('csvCell', () => {
  test.each([
    ['plain text', 'plain', 'plain'],
    ['nothing', undefined, ''],
    ['null', null, ''],
    ['a number', 41, '41'],
    ['a negative number is no formula', -0.5, '-0.5'],
    ['not a number', Number.NaN, ''],
    ['a truth', true, 'true'],
    ['a comma', 'a,b', '"a,b"'],
    ['a semicolon, which some locales separate by', 'a;b', '"a;b"'],
    ['a quote', 'say "no"', '"say ""no"""'],
    ['a line break', 'one\ntwo', '"one\ntwo"'],
    ['space at the edge', ' a', '" a"'],
    ['a formula', '=1+1', "'=1+1"],
    ['a plus', '+49 30', "'+49 30"],
    ['a minus', '-2', "'-2"],
    ['an at sign', '@SUM(A1)', "'@SUM(A1)"],
    ['a command', '|calc', "'|calc"],
    ['a formula after white space', ' \t=1', `"' \t=1"`],
    ['a formula after a line break', '\n=1', `"'\n=1"`],
    ['a formula after a no-break space', '\u00a0=1', `'\u00a0=1`],
    ['a formula with quotes', '=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
    ['a full-width formula', '＝1', "'＝1"],
    ['a tab in front', '\tx', `"'\tx"`],
    ['a tab within', 'a\tb', '"a\tb"'],
    ['a NUL', 'a\u0000b', 'ab'],
    ['a formula behind a NUL', '\u0000=1', "'=1"],
    ['an equals sign within', 'a=b', 'a=b'],
    ['an address', '2001:db8::1', '2001:db8::1'],
    ['markup is text', '<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
  ])('%s', (_, value, want) => expect(csvCell(value)).toBe(want))
})

test('rows end in CRLF', () => expect(csvRow(['a', 1, undefined])).toBe('a,1,\r\n'))

test('a file has a mark, a header and its rows', () => {
  expect(csvFile(['n', 'text'], [[1, 'ü'], [2, 'b']])).toBe('\ufeffn,text\r\n1,ü\r\n2,b\r\n')
})

// A reader that knows nothing of the writer gives back what was written, but for the guard.
test('what is written can be read again', () => {
  const alphabet = ['a', '"', ',', '\n', '\r', ' ', '=', '-', ';', 'ü', "'"]
  let seed = 1
  const random = (n: number) => {
    seed = (seed * 48271) % 2147483647
    return seed % n
  }
  for (let i = 0; i < 2000; i++) {
    const cells = Array.from({ length: 1 + random(4) }, () => Array.from({ length: random(6) }, () => alphabet[random(alphabet.length)] ?? '').join(''))
    const got = parse(csvRow(cells))
    expect(got).toHaveLength(cells.length)
    cells.forEach((cell, k) => expect([cell, `'${cell}`]).toContain(got[k]))
    got.forEach((cell) => expect(cell).not.toMatch(/^\s*[=+\-@]/))
  }
})

function parse(line: string): string[] {
  const out: string[] = []
  let cell = ''
  let quoted = false
  const text = line.slice(0, -2)
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (quoted && c === '"' && text[i + 1] === '"') {
      cell += '"'
      i++
    } else if (c === '"') quoted = !quoted
    else if (c === ',' && !quoted) {
      out.push(cell)
      cell = ''
    } else cell += c
  }
  return [...out, cell]
}

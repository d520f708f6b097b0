// CSV as spreadsheets read it: RFC 4180 with CRLF, and a byte order mark, without which Excel takes UTF-8 for Latin-1.

/** What a cell can hold; a number stays a number, so a negative one needs no guard. */
export type Cell = string | number | boolean | null | undefined

// A spreadsheet takes a cell that begins with one of these for a formula, after white space too; the full-width forms count in some of them.
const formula = /^[\s\u0000-\u001f\u00a0\ufeff]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/

/** One cell. Text that a spreadsheet would run is kept from it by an apostrophe in front. */
export function csvCell(value: Cell): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : ''
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  const text = (formula.test(value) ? `'${value}` : value).replaceAll('\u0000', '')
  return /[",;\t\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function csvRow(cells: readonly Cell[]): string {
  return cells.map(csvCell).join(',') + '\r\n'
}

/** A whole file: a byte order mark, the header, and the rows. */
export function csvFile(header: readonly string[], rows: Iterable<readonly Cell[]>): string {
  let out = '\ufeff' + csvRow(header)
  for (const row of rows) out += csvRow(row)
  return out
}

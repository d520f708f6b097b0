/** What is wrong with a key of a flag, segment or environment; undefined: nothing. The server's rule: ^[a-z0-9][a-z0-9._-]{0,127}$. */
export function keyError(key: string): string | undefined {
  if (key === '') return 'A key is needed'
  if (/[A-Z]/.test(key)) return 'Lower-case letters only'
  const bad = /[^a-z0-9._-]/.exec(key)
  if (bad) return bad[0] === ' ' ? 'No spaces; a dash serves' : `“${bad[0]}” is not allowed; letters, digits, “.”, “_” and “-” are`
  if (!/^[a-z0-9]/.test(key)) return 'It begins with a letter or a digit'
  return key.length > 128 ? 'At most 128 characters' : undefined
}

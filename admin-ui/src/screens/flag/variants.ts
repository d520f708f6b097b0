import type { Flag } from '../../lib/model'

// The colours of variants on the assignment line. They say which, not how good: amber, red, green and blue mean something else. Each comes with
// its name, so that nobody has to tell them apart by colour.
const tones = ['violet', 'teal', 'rose', 'slate', 'olive', 'sand'] as const
export type Tone = (typeof tones)[number] | 'off' | 'next'

/** The off variant and what follows are quiet; the others have their colours in the flag's order. */
export function toneOf(flag: Flag, off: string, variant: string): Tone {
  if (variant === '') return 'next'
  if (variant === off) return 'off'
  const place = (flag.variants ?? []).filter((v) => v.key !== off).findIndex((v) => v.key === variant)
  return tones[place % tones.length] ?? 'slate'
}

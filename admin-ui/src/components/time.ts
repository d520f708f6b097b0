// ago says how long before now something was: "just now", "3 min ago", "2 days ago"; short leaves "ago" out.
export function ago(at: number, now: number, short = false): string {
  const seconds = Math.round((now - at) / 1000)
  const tail = short ? '' : ' ago'
  if (seconds < 5) return short ? 'now' : 'just now'
  if (seconds < 60) return `${seconds} s${tail}`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min${tail}`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h${tail}`
  const days = Math.floor(hours / 24)
  if (days < 60) return days === 1 ? `1 day${tail}` : `${days} days${tail}`
  const months = Math.floor(days / 30.44)
  if (months < 24) return `${months} months${tail}`
  return `${Math.floor(days / 365.25)} years${tail}`
}

const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'long' })

// exactTime is a moment in the reader's own time zone, which it names.
export function exactTime(at: string): string {
  const moment = Date.parse(at)
  return Number.isNaN(moment) ? at : exact.format(moment)
}

const whole = new Intl.NumberFormat('en-US')

// count writes a number with separators: 1,207.
export function count(n: number): string {
  return whole.format(n)
}

// plural: 1 flag, 1,207 flags.
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

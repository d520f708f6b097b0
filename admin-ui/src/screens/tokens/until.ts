import { plural } from '../../components/time'

/** How long from now something is: "in 23 h", "in 3 days". */
export function until(at: number, now: number): string {
  const minutes = Math.ceil((at - now) / 60_000)
  if (minutes <= 1) return 'in a minute'
  if (minutes < 60) return `in ${minutes} min`
  const hours = Math.round(minutes / 60)
  if (hours < 48) return `in ${hours} h`
  const days = Math.round(hours / 24)
  if (days < 60) return `in ${plural(days, 'day')}`
  const months = Math.round(days / 30.44)
  return months < 24 ? `in ${months} months` : `in ${Math.round(days / 365.25)} years`
}

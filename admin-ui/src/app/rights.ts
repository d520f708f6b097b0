import { useSession } from './session'

const roles = ['viewer', 'operator', 'editor', 'admin'] as const
export type Role = (typeof roles)[number]

// atLeast says whether a role is one or more. A role that is not known here is left to the server, which decides in any case.
export function atLeast(role: string | undefined, needed: Role): boolean {
  const rank = roles.indexOf(role as Role)
  return rank < 0 || rank >= roles.indexOf(needed)
}

// useMay says whether the one who is signed in may do what needs a role: operators ramp, switch and kill; editors write flags and targeting, clear kills
// and restore; admins the rest. What one may not do is not offered.
export function useMay(needed: Role): boolean {
  const session = useSession()
  return session.kind === 'in' && atLeast(session.principal.role, needed)
}

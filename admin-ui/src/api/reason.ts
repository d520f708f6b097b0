/** The query that carries a reason; none for an empty one. */
export function reasonQuery(reason: string): { reason?: string } {
  return reason.trim() ? { reason: reason.trim() } : {}
}

import { makeStore } from './external'

// What is to be killed: a flag, or every flag with a tag. Without an environment the dialog asks for it.
export type KillTarget = ({ flag: string } | { tag: string }) & { project: string; environment?: string }

export const killing = makeStore<KillTarget | undefined>(undefined)

// openKill shows the kill dialog, which the shell hosts. It is a question: nothing is killed before a reason is given and confirmed.
export function openKill(target: KillTarget) {
  killing.set(target)
}

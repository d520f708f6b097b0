import type { KillTarget } from '../components/killing'
import { type Answer, type Schemas, change, client, once } from './client'

export type Receipt = Schemas['KillReceipt']

// A kill is sent with a short wait, then sent again with the same key: the server does not kill twice, and each answer says who has it by now.
const timeout = '300ms'

// sendKill kills and tells where it has arrived. key names the intent: whatever is sent with it, this is one kill.
export function sendKill(target: KillTarget & { environment: string }, reason: string, key: string): Promise<Answer<Receipt>> {
  const { project, environment } = target
  const header = once(key)
  const wait = 'instances'
  if ('tag' in target) {
    return change(client.POST('/v1/projects/{project}/kill', { params: { path: { project }, header }, body: { tag: target.tag, environment, reason, wait, timeout } }))
  }
  return change(
    client.POST('/v1/projects/{project}/flags/{flag}/environments/{environment}/kill', {
      params: { path: { project, flag: target.flag, environment }, header },
      body: { reason, wait, timeout },
    }),
  )
}

import type { EventType } from '../accounts/events.ts'
import { EVENTS } from '../accounts/events.ts'
import type { NodeId } from '../accounts/node.ts'
import type { Delivery } from '../alerts/delivery.ts'
import { type Health, type Hook, MOST_HOOKS, type Secrets } from '../alerts/hook.ts'
import type { Json } from '../store/records.ts'

/** A hook as its owners see it; its secrets are never shown again. Times in ms. */
export type HookView = {
  id: string
  at: NodeId
  url: string
  events: readonly EventType[]
  description: string
  created: number
  paused: Hook['paused'] | null
  /** Since when no delivery succeeds, and why the last one did not. */
  failing: { since: number; why: string } | null
  /** Until when an older secret signs too. */
  oldSecretUntil: number | null
}

export const viewOf = (
  hook: Hook,
  health: Health | undefined,
  secrets: Secrets | undefined,
  now: number,
): HookView => {
  const { id, at, url, events, description, created, paused } = hook
  const until = (secrets?.secrets ?? []).map((one) => one.until ?? 0).filter((one) => one > now)
  return {
    id,
    at,
    url,
    events,
    description,
    created,
    paused: paused ?? null,
    failing: health ? { since: health.failingSince, why: health.why } : null,
    oldSecretUntil: until.length > 0 ? Math.max(...until) : null,
  }
}

/** What the audit log says of a hook: its host only, since the rest of a URL may be what lets one post there. */
export const auditOf = ({ id, url, events, description, paused }: Hook): Json => ({
  hook: id,
  to: new URL(url).origin,
  events,
  description,
  paused: paused?.why ?? null,
})

export type DeliveryView = Omit<Delivery, 'body' | 'next' | 'tries'> & { next: number | null }

/** A delivery as a row of the log, without what was sent. */
export const rowOf = ({ body: _, next, tries: __, ...rest }: Delivery): DeliveryView => ({
  ...rest,
  next: next ?? null,
})

/** A delivery with what is sent. */
export const wholeOf = (delivery: Delivery): DeliveryView & { body: Json } => ({
  ...rowOf(delivery),
  body: JSON.parse(delivery.body),
})

/** What a hook can ask for, with its sentence. */
export const EVENT_LIST = Object.entries(EVENTS).map(([type, title]) => ({ type, title }))
export const TOO_MANY = `There are ${MOST_HOOKS} webhooks here already, and no more are kept at one place.`

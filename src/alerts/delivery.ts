import type { Event, EventType } from '../accounts/events.ts'
import type { NodeId } from '../accounts/node.ts'
import type { Json, Row, Write } from '../store/records.ts'
import { bodyOf, type Hook } from './hook.ts'
import type { Sent } from './send.ts'

export const DELIVERIES = 'deliveries'
/** What is to be sent, the next first: a row for each delivery that waits. */
export const DUE = 'hookdue'

/** `ms`: how long it took. */
export type Attempt = Sent & { at: number }

/** One event for one hook, as it was made, and what became of it. Times in ms. */
export type Delivery = {
  id: string
  hook: string
  event: string
  type: EventType
  at: NodeId
  created: number
  /** The bytes that are sent each time. */
  body: string
  /** `dropped`: the hook was paused or deleted before it was sent. */
  state: 'waiting' | 'delivered' | 'failed' | 'dropped'
  /** Attempts that failed since it was made or asked for again. */
  tries: number
  /** The last ones, oldest first. */
  attempts: readonly Attempt[]
  /** When it is tried next, while it waits. */
  next?: number
}
export type Due = { delivery: string; hook: string }

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** How long is waited after each attempt that failed; after the last of them it is given up. */
export const WAITS = [10 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR] as const
const MOST_ATTEMPTS = 20
/** A delivery is kept in the log for so long, ms. */
export const KEEP_MS = 30 * 24 * HOUR

/** The name of what is the same however often it is made. */
const deliveryId = (event: Pick<Event, 'id'>, hook: Pick<Hook, 'id'>): string => `${event.id}.${hook.id}`

export const newDelivery = (event: Event, hook: Hook, now: number): Delivery => ({
  id: deliveryId(event, hook),
  hook: hook.id,
  event: event.id,
  type: event.type,
  at: event.at,
  created: now,
  body: bodyOf(event),
  state: 'waiting',
  tries: 0,
  attempts: [],
  next: now,
})

export const isTaken = ({ status, why }: Sent): boolean => status !== undefined && why === undefined

/** What an attempt makes of a delivery. */
export const afterAttempt = (delivery: Delivery, sent: Sent, at: number, now: number): Delivery => {
  const { next: _, ...rest } = delivery
  const attempts = [...delivery.attempts, { at, ...sent }].slice(-MOST_ATTEMPTS)
  if (isTaken(sent)) return { ...rest, attempts, state: 'delivered' }
  const wait = WAITS[delivery.tries]
  const tries = delivery.tries + 1
  if (wait === undefined) return { ...rest, attempts, tries, state: 'failed' }
  return { ...rest, attempts, tries, state: 'waiting', next: now + wait }
}

/** A delivery that is not sent after all. */
export const dropped = ({ next: _, ...rest }: Delivery): Delivery => ({ ...rest, state: 'dropped' })

/** A delivery that is to be sent again from the beginning, whatever became of it. */
export const again = (delivery: Delivery, now: number): Delivery => ({
  ...delivery,
  state: 'waiting',
  tries: 0,
  next: now,
})

/** The writes that make a delivery what it is now; stale when somebody else has changed it since `before` was read. */
export const deliveryWrites = (before: Row<Delivery> | undefined, after: Delivery): Write[] => {
  const keys = { hook: after.hook, state: `${after.hook}:${after.state}` }
  const value = after as unknown as Json
  const put: Write = {
    table: DELIVERIES,
    id: after.id,
    value,
    if: before?.version ?? 0,
    keys,
    until: after.created + KEEP_MS,
  }
  const [was, is] = [before && dueId(before.value), dueId(after)]
  if (was === is) return [put]
  const due: Due = { delivery: after.id, hook: after.hook }
  return [
    put,
    ...(was === undefined ? [] : [{ table: DUE, id: was, drop: true } as const]),
    ...(is === undefined ? [] : [{ table: DUE, id: is, value: due }]),
  ]
}

/** Ids of what is due before a time, ms, are before this. */
export const dueBefore = (ms: number): string => ms.toString().padStart(15, '0')

const dueId = ({ id, next }: Delivery): string | undefined =>
  next === undefined ? undefined : `${dueBefore(next)}.${id}`

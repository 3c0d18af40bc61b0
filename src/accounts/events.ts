/** What is told to people and webhooks when it happens. */
import { randomId } from '../ids.ts'
import type { Json, Put } from '../store/records.ts'
import type { NodeId } from './node.ts'

/** What can happen, and its sentence for people. */
export const EVENTS = {
  'budget.threshold': 'A budget reached a part of its limit',
  'budget.refused': 'A call was refused because a budget would be passed',
  'spend.anomaly': 'Spending is far above what is usual',
  'provider.down': 'A provider or host does not answer',
  'provider.up': 'A provider or host answers again',
  'settlement.late': 'A settlement takes longer than it should',
  'settler.low': 'The settler has little gas left',
  'payment.reversed': 'A reorganisation of the chain took a payment back',
  'reconcile.finding': 'Ledger and chain differ',
  'approval.waiting': 'Somebody waits for an approval',
  'approval.decided': 'An approval was given or refused',
  'key.frozen': 'A key or what stands above it was frozen',
  'hook.paused': 'A webhook failed for days, or is gone, and is paused',
  'hook.test': 'A test',
} as const
export type EventType = keyof typeof EVENTS

/** `at`: the node it is about and whose hooks are told, `site` for the router itself. `path`: that node and all above it. */
export type Event = {
  id: string
  type: EventType
  time: number
  at: NodeId
  path: readonly NodeId[]
  about: { readonly [key: string]: Json }
}

/** What waits to be told, oldest first: one row an event, taken away when it is handed to the hooks. */
export const OUTBOX = 'outbox'
/** Every event once: a row with the event's `once` for as long as it must not happen again. */
export const TOLD = 'told'

/** Writes that tell an event; in the same write as what it is about, so that neither is without the other. `once`: under this name it is told one time only (the write is stale when it was), until `forget` ms. */
export const told = (event: Omit<Event, 'id'>, once?: { name: string; forget: number }): Put[] => {
  const id = `evt_${event.time.toString(36).padStart(9, '0')}_${randomId()}`
  const put: Put = { table: OUTBOX, id, value: { ...event, id } as unknown as Json, if: 0 }
  if (!once) return [put]
  return [put, { table: TOLD, id: once.name, value: id, if: 0, until: once.forget }]
}

import { told } from '../accounts/events.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Records, Row, Write } from '../store/records.ts'
import { afterAttempt, DELIVERIES, type Delivery, deliveryWrites, dropped, isTaken } from './delivery.ts'
import { asJson, HEALTH, type Health, HOOKS, type Hook, hookKeys } from './hook.ts'
import type { Sent } from './send.ts'

type Facts = { records: Records; clock: Clock; log: Log }

/** A hook that has failed for so long without a single success is paused, ms. */
export const PAUSED_AFTER_MS = 3 * 86_400_000
/** What a receiver answers that is gone for good. */
const GONE = 410
const TRIES = 10

/**
 * Writes down how an attempt ended, and what follows from it: the next one, or the hook's pause with an event about it.
 * Does nothing when the delivery was changed since it was read.
 */
export const note = async (facts: Facts, before: Row<Delivery>, sent: Sent, at: number): Promise<void> => {
  const { records, clock, log } = facts
  const { hook: id } = before.value
  for (let tries = 0; tries < TRIES; tries++) {
    const now = clock.now()
    const after = afterAttempt(before.value, sent, at, now)
    const [hook, health] = await Promise.all([records.get<Hook>(HOOKS, id), records.get<Health>(HEALTH, id)])
    const follows = hook ? ofHealth({ hook, health, sent, now }) : []
    const written = await records.write([...deliveryWrites(before, after), ...follows])
    if (written.ok) {
      const fields = { hook: id, delivery: after.id, why: sent.why }
      if (after.state === 'failed') log.warn('webhook_given_up', fields)
      if (follows.some(({ table }) => table === HOOKS)) log.warn('webhook_paused', fields)
      return
    }
    if (written.stale.table === DELIVERIES) return
  }
  log.warn('webhook_not_noted', { delivery: before.id })
}

/** Writes down that a delivery is not sent, since its hook is paused or gone. */
export const drop = async ({ records }: Facts, before: Row<Delivery>): Promise<void> => {
  await records.write(deliveryWrites(before, dropped(before.value)))
}

type Seen = { hook: Row<Hook>; health: Row<Health> | undefined; sent: Sent; now: number }

const ofHealth = ({ hook, health, sent, now }: Seen): Write[] => {
  const { id } = hook
  const version = health?.version ?? 0
  if (isTaken(sent)) return health ? [{ table: HEALTH, id, drop: true, if: version }] : []
  const failing: Health = { failingSince: health?.value.failingSince ?? now, why: sent.why ?? '' }
  const isNews = failing.why !== health?.value.why
  const keep: Write[] = isNews ? [{ table: HEALTH, id, value: asJson(failing), if: version }] : []
  const gone = sent.status === GONE
  if (hook.value.paused || !(gone || now - failing.failingSince >= PAUSED_AFTER_MS)) return keep
  return [...keep, ...pausing(hook, gone ? 'gone' : 'failing', failing, now)]
}

const pausing = (
  { id, value, version }: Row<Hook>,
  why: 'gone' | 'failing',
  { failingSince, why: last }: Health,
  now: number,
): Write[] => {
  const { at, path, url } = value
  const paused: Hook = { ...value, paused: { at: now, why } }
  const about = { hook: id, host: new URL(url).host, why, last, failingSince }
  return [
    { table: HOOKS, id, value: asJson(paused), if: version, keys: hookKeys(value) },
    ...told({ type: 'hook.paused', time: now, at, path, about }),
  ]
}

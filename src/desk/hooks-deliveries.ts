import { z } from 'zod'
import type { Event } from '../accounts/events.ts'
import { again, DELIVERIES, type Delivery, deliveryWrites, newDelivery } from '../alerts/delivery.ts'
import { HOOKS, type Hook, nodeOf } from '../alerts/hook.ts'
import { fail } from '../errors.ts'
import { randomId } from '../ids.ts'
import type { Records, Row } from '../store/records.ts'
import { changing, type Operations, reading } from './desk.ts'
import { rowOf, wholeOf } from './hooks-views.ts'

const HOOK = String.raw`hook_[\w-]{22}\.[\w-]{1,80}`
const hook = z.string().regex(new RegExp(`^${HOOK}$`), 'must be the id of a webhook')
const delivery = z.string().regex(new RegExp(`^evt_[\\w-]{1,60}\\.${HOOK}$`), 'must be the id of a delivery')
const PAUSED = 'The webhook is paused: resume it first.'
/** Deliveries of a hook that may wait when one more is made by hand. */
const MOST_WAITING = 50
const TOO_MANY_WAIT = `${MOST_WAITING} deliveries wait for the webhook already.`

/** What can be done with deliveries, and the test, which is one. */
export const deliveryOperations = {
  'hook.test': changing({
    summary: 'Sends a test to a webhook; its delivery says how it went',
    needs: 'hook.write',
    input: z.strictObject({ hook }),
    at: (input) => nodeOf(input.hook),
    run: async ({ records, clock }, input) => {
      const { value } = await working(records, input.hook)
      const key = ['state', `${value.id}:waiting`] as const
      if ((await records.list(DELIVERIES, { key, limit: MOST_WAITING })).length === MOST_WAITING)
        throw fail('taken_here', { problem: TOO_MANY_WAIT })
      const time = clock.now()
      const id = `evt_${time.toString(36).padStart(9, '0')}_${randomId()}`
      const about = { hook: value.id, description: value.description }
      const event: Event = { id, type: 'hook.test', time, at: value.at, path: value.path, about }
      const made = newDelivery(event, value, time)
      return {
        result: { delivery: made.id },
        writes: deliveryWrites(undefined, made),
        after: { delivery: made.id },
      }
    },
  }),
  'delivery.list': reading({
    summary: 'What was sent to a webhook, newest first, and how it went',
    needs: 'hook.read',
    input: z.strictObject({
      hook,
      state: z.enum(['waiting', 'delivered', 'failed', 'dropped']).optional(),
      before: delivery.optional(),
      limit: z.int().min(1).max(200).default(50),
    }),
    at: (input) => nodeOf(input.hook),
    run: async ({ records }, input) => {
      const { state, before, limit } = input
      const rows = await records.list<Delivery>(DELIVERIES, {
        key: state === undefined ? ['hook', input.hook] : ['state', `${input.hook}:${state}`],
        backwards: true,
        limit: limit + 1,
        ...(before !== undefined && { after: before }),
      })
      const page = rows.slice(0, limit).map(({ value }) => rowOf(value))
      return { deliveries: page, more: rows.length > limit }
    },
  }),
  'delivery.get': reading({
    summary: 'One delivery with what is sent',
    needs: 'hook.read',
    input: z.strictObject({ delivery }),
    at: (input) => nodeOf(input.delivery),
    run: async ({ records }, input) => wholeOf((await read(records, input.delivery)).value),
  }),
  'delivery.redeliver': changing({
    summary: 'Sends a delivery again, at once and with the same id, whatever became of it',
    needs: 'hook.write',
    input: z.strictObject({ delivery }),
    at: (input) => nodeOf(input.delivery),
    run: async ({ records, clock }, input) => {
      const row = await read(records, input.delivery)
      await working(records, row.value.hook)
      const after = again(row.value, clock.now())
      return {
        result: rowOf(after),
        writes: deliveryWrites(row, after),
        before: { delivery: after.id, state: row.value.state },
        after: { delivery: after.id, state: after.state },
      }
    },
  }),
} satisfies Operations

const read = async (records: Records, id: string): Promise<Row<Delivery>> => {
  const row = await records.get<Delivery>(DELIVERIES, id)
  if (!row) throw fail('not_here', { what: 'delivery' })
  return row
}

const working = async (records: Records, id: string): Promise<Row<Hook>> => {
  const row = await records.get<Hook>(HOOKS, id)
  if (!row) throw fail('not_here', { what: 'webhook' })
  if (row.value.paused) throw fail('taken_here', { problem: PAUSED })
  return row
}

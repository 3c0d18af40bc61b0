import { type Event, told } from '../accounts/events.ts'
import { SITE } from '../accounts/node.ts'
import { signWebhook } from '../client/webhooks.ts'
import { type Clock, seconds } from '../clock.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Records, Row } from '../store/records.ts'
import { DELIVERIES, type Delivery, DUE, type Due, dueBefore } from './delivery.ts'
import { fanOut } from './fan-out.ts'
import { HOOKS, type Hook, SECRETS, type Secrets, signing } from './hook.ts'
import { drop, note } from './note.ts'
import { createSend, type Resolve, type Send } from './send.ts'
import type { Targets } from './target.ts'

export type AlertsFacts = {
  records: Records
  clock: Clock
  log: Log
  /** Asked at each attempt, since a reload may change it. */
  targets: () => Targets
  resolve?: Resolve
  send?: Send
}

export type Alerts = {
  /** Begins to hand out events and to send them: the duty of one instance at a time. */
  start: () => void
  /** Ends it; what is being sent is broken off and sent again later, by whoever starts next. */
  stop: () => Promise<void>
  /** Takes what waits in the outbox and begins to send what is due. */
  turn: () => Promise<void>
  /** Resolves when nothing is being sent any more. */
  idle: () => Promise<void>
  /** Tells an event that no other write belongs to; `once` as in `told`. Never rejects. */
  tell: (event: Omit<Event, 'id' | 'time'>, once?: { name: string; forget: number }) => Promise<void>
}

const EVERY_MS = 1_000
const PAGE = 200
/** Pages of the outbox and of what is due that are read in one turn. */
const MOST_PAGES = 5
const AT_ONCE = 32
const AT_ONCE_PER_HOOK = 4
/** So that one organisation whose receivers hang does not keep the others waiting. */
const AT_ONCE_PER_ORG = 8
const AGENT = 'farebox-webhooks'

/** Sends events to webhooks: at least once each, in no promised order. */
export const createAlerts = (facts: AlertsFacts): Alerts => {
  const { records, clock, log } = facts
  const send =
    facts.send ?? createSend({ targets: facts.targets, ...(facts.resolve && { resolve: facts.resolve }) })
  /** What is being sent: deliveries, by their ids, and how many to each hook and of each organisation. */
  const sending = new Map<string, Promise<void>>()
  const busy = new Map<string, number>()
  let ending = new AbortController()
  let running: Promise<void> | undefined
  /** More is due than could be begun. */
  let waiting = false
  /** Where the next look begins: one hook with much to send must not keep the others waiting. */
  let cursor: string | undefined

  const attempt = async (row: Row<Delivery>, hook: Hook): Promise<void> => {
    const secrets = await records.get<Secrets>(SECRETS, hook.id)
    if (!secrets) return drop(facts, row)
    const at = clock.now()
    const { event: id, body } = row.value
    const stamp = seconds(at).toString()
    const signatures = signing(secrets.value, at).map((secret) => signWebhook({ secret, id, stamp, body }))
    const headers = {
      'content-type': 'application/json',
      'user-agent': AGENT,
      'webhook-id': id,
      'webhook-timestamp': stamp,
      'webhook-signature': signatures.join(' '),
    }
    const sent = await send({ url: hook.url, headers, body }, ending.signal)
    await note(facts, row, sent, at)
  }

  const deliver = async ({ id, value }: Row<Due>): Promise<void> => {
    const [row, hook] = await Promise.all([
      records.get<Delivery>(DELIVERIES, value.delivery),
      records.get<Hook>(HOOKS, value.hook),
    ])
    if (row?.value.state !== 'waiting') await records.write([{ table: DUE, id, drop: true }])
    else if (!hook || hook.value.paused) await drop(facts, row)
    else await attempt(row, hook.value)
  }

  const count = (name: string, by: 1 | -1): void => {
    const now = (busy.get(name) ?? 0) + by
    if (now > 0) busy.set(name, now)
    else busy.delete(name)
  }

  const begin = (due: Row<Due>, org: string): void => {
    const { delivery, hook } = due.value
    if (sending.has(delivery)) return
    if ((busy.get(hook) ?? 0) >= AT_ONCE_PER_HOOK || (busy.get(org) ?? 0) >= AT_ONCE_PER_ORG) {
      waiting = true
      return
    }
    count(hook, 1)
    count(org, 1)
    const work = deliver(due)
      .catch((error) => {
        if (!ending.signal.aborted) log.warn('webhook_not_sent', { delivery, why: reasonOf(error) })
      })
      .finally(() => {
        sending.delete(delivery)
        count(hook, -1)
        count(org, -1)
      })
    sending.set(delivery, work)
  }

  const orgsOf = async (rows: readonly Row<Due>[]): Promise<Map<string, string>> => {
    const ids = [...new Set(rows.map(({ value }) => value.hook))]
    const hooks = ids.length > 0 ? await records.many<Hook>(HOOKS, ids) : []
    return new Map(ids.map((id, i) => [id, hooks[i]?.value.path[0] ?? SITE]))
  }

  const sendDue = async (): Promise<void> => {
    waiting = false
    for (let page = 0; page < MOST_PAGES && sending.size < AT_ONCE; page++) {
      const range = {
        to: dueBefore(clock.now() + 1),
        limit: PAGE,
        ...(cursor !== undefined && { after: cursor }),
      }
      const rows = await records.list<Due>(DUE, range)
      const orgs = await orgsOf(rows)
      for (const row of rows) {
        if (sending.size >= AT_ONCE) {
          waiting = true
          return
        }
        begin(row, orgs.get(row.value.hook) ?? SITE)
        cursor = row.id
      }
      if (rows.length < PAGE) {
        cursor = undefined
        return
      }
    }
  }

  const turn = async (): Promise<void> => {
    for (let page = 0; page < MOST_PAGES; page++) if ((await fanOut(facts)) === 0) break
    await sendDue()
  }

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await turn().catch((error) => log.warn('webhooks_not_looked_at', { why: reasonOf(error) }))
      const slot = waiting && sending.size > 0 ? [Promise.race(sending.values())] : []
      await Promise.race([clock.sleep(EVERY_MS, signal), ...slot])
    }
  }
  const idle = async (): Promise<void> => {
    while (sending.size > 0) await Promise.all(sending.values())
  }

  return {
    turn,
    idle,
    start: () => {
      ending = new AbortController()
      running ??= run(ending.signal)
    },
    stop: async () => {
      ending.abort()
      await running
      running = undefined
      await idle()
    },
    tell: async (event, once) => {
      try {
        await records.write(told({ ...event, time: clock.now() }, once))
      } catch (error) {
        log.warn('event_not_told', { type: event.type, why: reasonOf(error) })
      }
    },
  }
}

import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Event } from '../../src/accounts/events.ts'
import { told } from '../../src/accounts/events.ts'
import { type Alerts, createAlerts } from '../../src/alerts/alerts.ts'
import { DELIVERIES, type Delivery } from '../../src/alerts/delivery.ts'
import { asJson, HOOKS, type Hook, hookKeys, newHookId, newSecret, SECRETS } from '../../src/alerts/hook.ts'
import type { Send } from '../../src/alerts/send.ts'
import type { Clock } from '../../src/clock.ts'
import { quietLog } from '../../src/log.ts'
import { memoryRecords, type Records } from '../../src/store/records.ts'

export const ORG = 'org_a'
export const TEAM = 'team_b'

/** A clock that a test moves. */
export const handClock = (start = Date.UTC(2026, 0, 5)): Clock & { pass: (ms: number) => void } => {
  let now = start
  return {
    now: () => now,
    pass: (ms) => {
      now += ms
    },
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
  }
}

export type Got = { headers: IncomingHttpHeaders; body: string; url: string }

/** A receiver of webhooks on this machine; `answer` says how it answers each. */
export const openReceiver = async (
  answer: (got: Got) => number | 'silence' = () => 200,
  host = '127.0.0.1',
) => {
  const got: Got[] = []
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      const one = { headers: request.headers, body: Buffer.concat(parts).toString(), url: request.url ?? '' }
      got.push(one)
      const status = answer(one)
      if (status === 'silence') return
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {})
      response.end('thank you')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    got,
    port,
    url: `http://${host}:${port}/in?a=1`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

export const PRIVATE = { allowPrivate: true, allowHosts: [] }

export const openWorld = (
  given: { send?: Send; records?: Records; clock?: ReturnType<typeof handClock> } = {},
) => {
  const clock = given.clock ?? handClock()
  const records = given.records ?? memoryRecords({ clock })
  const { send } = given
  const open = (): Alerts =>
    createAlerts({ records, clock, log: quietLog, targets: () => PRIVATE, ...(send && { send }) })
  return {
    clock,
    records,
    open,
    addHook: async (url: string, more: Partial<Hook> = {}): Promise<Hook & { secret: string }> => {
      const at = more.at ?? ORG
      const hook: Hook = {
        id: newHookId(at),
        at,
        path: [ORG],
        url,
        events: [],
        description: '',
        created: clock.now(),
        ...more,
      }
      const secret = newSecret()
      await records.write([
        { table: HOOKS, id: hook.id, value: asJson(hook), keys: hookKeys(hook) },
        { table: SECRETS, id: hook.id, value: asJson({ secrets: [{ secret }] }) },
      ])
      return { ...hook, secret }
    },
    tell: async (more: Partial<Event> = {}) => {
      const event = {
        type: 'budget.threshold',
        time: clock.now(),
        at: ORG,
        path: [ORG],
        about: {},
        ...more,
      } as const
      await records.write(told(event))
    },
    deliveries: async (): Promise<Delivery[]> =>
      (await records.list<Delivery>(DELIVERIES, { limit: 1_000 })).map(({ value }) => value),
  }
}

/** One turn, and all that it began. */
export const step = async (alerts: Alerts): Promise<void> => {
  await alerts.turn()
  await alerts.idle()
}

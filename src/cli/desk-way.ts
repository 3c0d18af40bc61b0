import { userInfo } from 'node:os'
import { SITE } from '../accounts/node.ts'
import { createPeople, OPERATOR } from '../accounts/operators.ts'
import type { Actor } from '../accounts/roles.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { operationApprovals } from '../desk/approvals.ts'
import { createDesk } from '../desk/desk.ts'
import { type ErrorBody, errorBody, Refusal } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Records } from '../store/records.ts'
import { LIVE, tableOf } from './desk-table.ts'

/** One way to the operations of the desk: over the store that a configuration names, or at a running router. */
export type Way = {
  /** Rejects with `Refused` when the desk says no, with another error when it could not be asked. */
  run: (name: string, input: unknown, approval?: string) => Promise<unknown>
  /** Where calls of the router go. */
  url: string
  close: () => Promise<void>
}

/** What the desk answered instead of doing it. */
export class Refused extends Error {
  readonly body: ErrorBody
  constructor(body: ErrorBody) {
    super(body.error.message)
    this.name = 'Refused'
    this.body = body
  }
}

export type StoreFacts = {
  config: Config
  openRecords: (store: string) => Promise<Records>
  openLedger: (store: string) => Promise<Ledger>
  clock: Clock
  /** An operator of the configuration or the id of a user, whose own sessions and tokens it is about. */
  as?: string | undefined
}

const HOUR = 3_600_000

/** The desk over the store, beside whoever serves from it; the audit log names the user of this machine. */
export const storeWay = async (facts: StoreFacts): Promise<Way> => {
  const { config, clock, as } = facts
  if (config.store === 'memory:')
    throw new Error('store memory: is known to the running router alone; say --url URL to ask that')
  const records = await facts.openRecords(config.store)
  let opened: Promise<Ledger> | undefined
  const ledger = () => {
    opened ??= facts.openLedger(config.store)
    return opened
  }
  const operations = tableOf({ config: () => config, ledger, clock })
  const approve = operationApprovals({ records, clock, ttl: () => config.desk.approvalHours * HOUR })
  const desk = createDesk({ operations, records, clock, approve })
  const { host, port, publicUrl } = config.server
  return {
    run: async (name, input, approval) => {
      if (LIVE.includes(name))
        throw new Error(`${name} is known to the running router alone; say --url URL to ask that`)
      const own = Object.hasOwn(operations, name) && operations[name]?.needs === undefined
      if (as !== undefined && !own) throw new Error('--as is for what is one’s own: tokens and sessions')
      if (as === undefined && name === 'token.create')
        throw new Error(
          'whose token? say --as with an operator of the configuration, or with the id of a user',
        )
      const actor = as === undefined ? OPERATOR_HERE() : await personHere(config, records, as)
      return desk.run(actor, name, input, approval).catch((error: unknown) => {
        throw error instanceof Refusal ? new Refused(errorBody(error.code, error.details)) : error
      })
    },
    url: (publicUrl ?? `http://${host}:${port}`).replace(/\/+$/, ''),
    close: async () => {
      await records.close()
      await (await opened)?.close()
    },
  }
}

// Whoever can open the store can do anything with it already.
const OPERATOR_HERE = (): Actor => ({
  user: `${OPERATOR}cli`,
  name: nameHere(),
  grants: [{ role: 'owner', at: SITE }],
  via: 'cli',
})

const personHere = async (config: Config, records: Records, as: string): Promise<Actor> => {
  const people = createPeople({ operators: () => config.secrets.operators, records })
  const person = await people.byId(as.startsWith('user_') ? as : `${OPERATOR}${as}`)
  if (!person) throw new Error(`${as} is no operator of desk.operators, nor the id of a user who may sign in`)
  return { user: person.user, name: person.name, grants: person.grants, via: 'cli', from: nameHere() }
}

const nameHere = (): string => {
  try {
    return userInfo().username
  } catch {
    // In a container its number may have no name.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}

const TIMEOUT_MS = 60_000

/** The desk of a running router, by a token of it. */
export const routerWay = (given: string, token: string | undefined): Way => {
  if (!token?.startsWith('fbt_'))
    throw new Error(
      'put a token of that router’s desk (fbt_…) into FAREBOX_DESK_TOKEN; `farebox desk token.create` makes one',
    )
  const url = given.replace(/\/+$/, '')
  return {
    run: async (name, input, approval) => {
      const reply = await fetch(`${url}/admin/api/${encodeURIComponent(name)}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          ...(approval !== undefined && { 'x-farebox-approval': approval }),
        },
        body: JSON.stringify(input),
        // A token is for the host that was named, and for no other.
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).catch((error: Error) => {
        const { code } = (error.cause ?? {}) as { code?: string }
        throw new Error(`${url} does not answer (${code ?? error.message})`)
      })
      const text = await reply.text()
      const isJson = reply.headers.get('content-type')?.startsWith('application/json') === true
      if (reply.status === 200) return isJson ? JSON.parse(text) : { text }
      const body: Partial<ErrorBody> = isJson ? JSON.parse(text) : {}
      if (!body.error) throw new Error(`${url} is no Farebox: it answered ${reply.status}`)
      throw new Refused({ error: body.error })
    },
    url,
    close: async () => {},
  }
}

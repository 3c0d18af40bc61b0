/**
 * alerts/: who is told what happened. Events wait in an outbox (accounts/events.ts); alerts.ts hands each to the webhooks
 * that want it, and sends until it is taken or given up; target.ts and address.ts judge where it may go, send.ts sends.
 */
import { randomBytes } from 'node:crypto'
import type { Event, EventType } from '../accounts/events.ts'
import { type NodeId, SITE } from '../accounts/node.ts'
import { SECRET_PREFIX } from '../client/webhooks.ts'
import { randomId } from '../ids.ts'
import type { Json, Records } from '../store/records.ts'

export const HOOKS = 'hooks'
/** Apart from the hooks, so that nobody who lists those sees them. */
export const SECRETS = 'hooksecrets'
/** How a hook does: a row only while it fails. */
export const HEALTH = 'hookhealth'

/** Where events of a node and of all below it are sent. Times in ms. */
export type Hook = {
  id: string
  at: NodeId
  path: readonly NodeId[]
  url: string
  /** Empty: all. */
  events: readonly EventType[]
  description: string
  created: number
  paused?: { at: number; why: 'by hand' | 'failing' | 'gone' }
}

/** Newest first; the older ones sign too until `until`, ms. */
export type Secrets = { secrets: readonly { secret: string; until?: number }[] }
export type Health = { failingSince: number; why: string }

/** Hooks of one node. */
export const MOST_HOOKS = 20
/** While the old secret of a hook signs too, ms. */
export const GRACE_MS = 86_400_000
const MOST_SECRETS = 3

/** The id of a new hook; it ends in the id of its node, so that whoever is asked for it knows where it is. */
export const newHookId = (at: NodeId): string => `hook_${randomId()}.${at}`

/** The node of a hook or of a delivery, by its id. */
export const nodeOf = (id: string): NodeId => id.slice(id.lastIndexOf('.') + 1)

export const newSecret = (): string => `${SECRET_PREFIX}${randomBytes(32).toString('base64')}`

/** A new secret before those that still sign; `grace`: for how long the last one does, ms. */
export const rotated = (before: Secrets | undefined, secret: string, now: number, grace: number): Secrets => {
  const old = (before?.secrets ?? [])
    .map((one) => ({ ...one, until: Math.min(one.until ?? Number.POSITIVE_INFINITY, now + grace) }))
    .filter(({ until }) => until > now)
  return { secrets: [{ secret }, ...old].slice(0, MOST_SECRETS) }
}

/** Those that sign now. */
export const signing = ({ secrets }: Secrets, now: number): string[] =>
  secrets.filter(({ until }) => until === undefined || until > now).map(({ secret }) => secret)

export const wants = ({ events, paused }: Hook, type: EventType): boolean =>
  !paused && (events.length === 0 || events.includes(type))

/** By what a hook is found: its node, and the organisation that it is in. */
export const hookKeys = ({ at, path }: Pick<Hook, 'at' | 'path'>): Record<string, string> => ({
  node: at,
  org: path[0] ?? SITE,
})

/** The hooks of one node, oldest id first. */
export const hooksAt = async (records: Records, at: NodeId): Promise<Hook[]> => {
  const rows = await records.list<Hook>(HOOKS, { key: ['node', at], limit: MOST_HOOKS * 2 })
  return rows.map(({ value }) => value)
}

/** What is sent. */
export const bodyOf = ({ id, type, time, about, at, path }: Event): string =>
  JSON.stringify({ id, type, time, about, at, path })

/** Any of these as what a row holds. */
export const asJson = (value: Hook | Secrets | Health): Json => value as unknown as Json

/** Who is signed in to the desk. A session is opened by 256 random bits in a cookie, of which only a hash is kept. */
import { createHmac, hash, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import {
  allRows,
  type Drop,
  type Json,
  type Put,
  type Records,
  type Row,
  type Write,
} from '../store/records.ts'
import type { People, Person } from './operators.ts'
import { isSame } from './password.ts'
import type { Actor } from './roles.ts'

/** Sessions by the hash of what opens them; index `user`. */
const SESSIONS = 'sessions'

export type SessionRow = {
  user: string
  via: 'password' | 'wallet'
  /** What the person signed in by then. */
  stamp: string
  /** ms. */
  created: number
  seen: number
  from?: string
}

/** `id` may be shown and names the session; `csrf` is what its pages send with each change. */
export type Session = { id: string; actor: Actor; csrf: string; created: number; ends: number }

export type Sessions = {
  /** A new session of a person, open once `writes` are written; `secret` is the cookie, and not kept. The one that was open `before` ends with it. */
  open: (
    person: Person,
    how: { via: SessionRow['via']; from: string | undefined; before: string | undefined },
  ) => { secret: string; session: Session; writes: Write[] }
  /** Who shows this secret; undefined when the session has ended, or its person may not sign in any more. */
  find: (secret: string, from?: string) => Promise<Session | undefined>
}

/** It ends so long after sign-in, and after it was last used, ms. */
export const LASTS = 12 * 3_600_000
export const IDLE = 3_600_000
/** Use is written down at most so often, ms. */
const RENEW = 60_000

export const createSessions = (facts: { records: Records; clock: Clock; people: People }): Sessions => {
  const { records, clock, people } = facts

  const put = (id: string, value: SessionRow, version: number): Put => ({
    table: SESSIONS,
    id,
    value: value as unknown as Json,
    if: version,
    keys: { user: value.user },
    until: endOf(value),
  })

  return {
    open: (person, { via, from, before }) => {
      const secret = randomBytes(32).toString('base64url')
      const now = clock.now()
      const row: SessionRow = {
        user: person.user,
        via,
        stamp: person.stamps[via],
        created: now,
        seen: now,
        ...(from !== undefined && { from }),
      }
      const writes: Write[] = [put(sessionHash(secret), row, 0)]
      if (before !== undefined && isSecret(before)) writes.push(ending({ id: sessionHash(before) }))
      return { secret, session: sessionOf(secret, row, person, from), writes }
    },
    find: async (secret, from) => {
      if (!isSecret(secret)) return undefined
      const id = sessionHash(secret)
      const found = await records.get<SessionRow>(SESSIONS, id)
      const now = clock.now()
      if (!found || endOf(found.value) <= now) return undefined
      const person = await people.byId(found.value.user)
      if (!person || !isSame(person.stamps[found.value.via], found.value.stamp)) return undefined
      const row = { ...found.value, seen: now }
      // Somebody else who wrote it down at the same time has done it.
      if (now - found.value.seen >= RENEW) await records.write([put(id, row, found.version)])
      return sessionOf(secret, row, person, from)
    },
  }
}

/** When a session ends if it is not used again, ms. */
export const endOf = ({ created, seen }: SessionRow): number => Math.min(created + LASTS, seen + IDLE)

/** All sessions of a person, newest first. */
export const sessionsOf = async (records: Records, user: string): Promise<Row<SessionRow>[]> => {
  const found: Row<SessionRow>[] = []
  for await (const row of allRows<SessionRow>(records, SESSIONS, { key: ['user', user] })) found.push(row)
  return found.toSorted((a, b) => b.value.created - a.value.created)
}

/** What names a session to people: a part of the hash, which opens nothing. */
export const sessionId = (row: string): string => `ses_${row.slice(0, 24)}`

export const ending = ({ id }: { id: string }): Drop => ({ table: SESSIONS, id, drop: true })

const sessionOf = (secret: string, row: SessionRow, person: Person, from: string | undefined): Session => ({
  id: sessionId(sessionHash(secret)),
  actor: {
    user: person.user,
    name: person.name,
    grants: person.grants,
    via: row.via,
    ...(from !== undefined && { from }),
  },
  csrf: createHmac('sha256', secret).update('farebox csrf v1').digest('base64url'),
  created: row.created,
  ends: endOf(row),
})

const isSecret = (text: string): boolean => /^[\w-]{43}$/.test(text)

const sessionHash = (secret: string): string => hash('sha256', `farebox session v1\n${secret}`, 'hex')

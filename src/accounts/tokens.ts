/** Tokens by which machines use the desk: a part of what their maker may do, for a while, and never more than it may now. */
import { hash, randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Drop, Json, Put, Records, Row } from '../store/records.ts'
import { both, type People, type Placed } from './operators.ts'
import type { Actor, Grant } from './roles.ts'

/** Tokens by their hash; index `user`. */
export const TOKENS = 'tokens'

/** `expires` in ms. */
export type TokenRow = {
  user: string
  name: string
  created: number
  expires: number
  grants: readonly Grant[]
}

export type Tokens = {
  /** Who shows this token; undefined when it is not known, has ended, or its user may not sign in any more. */
  find: (token: string, from?: string) => Promise<Actor | undefined>
}

export const createTokens = (facts: { records: Records; clock: Clock; people: People }): Tokens => {
  const { records, clock, people } = facts
  const placed = async (grants: readonly Grant[]): Promise<Placed[]> => {
    const all = grants.map(async (one) => ({ ...one, path: await people.pathOf(one.at) }))
    return (await Promise.all(all)).flatMap(({ path, ...one }) => (path ? [{ ...one, path }] : []))
  }
  return {
    find: async (token, from) => {
      if (!isToken(token)) return undefined
      const row = (await records.get<TokenRow>(TOKENS, tokenHash(token)))?.value
      const person = row && row.expires > clock.now() ? await people.byId(row.user) : undefined
      if (!row || !person) return undefined
      return {
        user: person.user,
        name: `${person.name} (${row.name})`,
        grants: both(await placed(row.grants), await placed(person.grants)),
        via: 'token',
        ...(from !== undefined && { from }),
      }
    },
  }
}

/** A new token; the row holds only its hash. */
export const newToken = (row: TokenRow): { token: string; id: string; put: Put } => {
  const token = `fbt_${randomBytes(32).toString('base64url')}`
  const id = tokenHash(token)
  const value = row as unknown as Json
  const put = { table: TOKENS, id, value, if: 0, keys: { user: row.user }, until: row.expires }
  return { token, id: tokenId(id), put }
}

/** Tokens of one user. */
export const MOST_TOKENS = 100

/** The tokens of a user, newest first. */
export const tokensOf = async (records: Records, user: string): Promise<Row<TokenRow>[]> => {
  const rows = await records.list<TokenRow>(TOKENS, { key: ['user', user], limit: MOST_TOKENS * 10 })
  return rows.toSorted((a, b) => b.value.created - a.value.created)
}

/** What names a token to people: a part of the hash. */
export const tokenId = (row: string): string => `tok_${row.slice(0, 24)}`

export const revoking = ({ id }: { id: string }): Drop => ({ table: TOKENS, id, drop: true, if: 1 })

/** Ours by its looks. */
const isToken = (text: string): boolean => /^fbt_[\w-]{43}$/.test(text)

const tokenHash = (token: string): string => hash('sha256', `farebox token v1\n${token}`, 'hex')

/** Operations on sessions and tokens: one's own, and those of users below an owner. */
import { z } from 'zod'
import { type NodeId, SITE } from '../accounts/node.ts'
import { both, OPERATOR, type Placed } from '../accounts/operators.ts'
import { type GRANTS, may, ROLES } from '../accounts/roles.ts'
import { ending, endOf, sessionId, sessionsOf } from '../accounts/sessions.ts'
import { MOST_TOKENS, newToken, revoking, tokenId, tokensOf } from '../accounts/tokens.ts'
import { fail } from '../errors.ts'
import type { Records } from '../store/records.ts'
import { changing, type Operations, reading, type Scene } from './desk.ts'
import { nodePath } from './list.ts'

const user = z.string().max(200).optional().meta({ description: 'A user id; who asks, when it is left out.' })
const id = z.string().max(200)

const DAY_MS = 86_400_000
/** Sessions that one list tells. */
const SHOWN = 200

/** What `session.*` and `token.*` do. */
export const sessionOperations = (): Operations => ({
  'session.list': reading({
    summary: 'The open sessions of a user, the newest 200.',
    needs: undefined,
    input: z.strictObject({ user }),
    at: whose,
    run: async (scene, input) => {
      const rows = await sessionsOf(scene.records, subject(scene, input.user))
      const open = rows.filter(({ value }) => endOf(value) > scene.clock.now())
      return {
        sessions: open.slice(0, SHOWN).map(({ id, value }) => ({
          id: sessionId(id),
          via: value.via,
          from: value.from ?? null,
          created: value.created,
          seen: value.seen,
          ends: endOf(value),
        })),
      }
    },
  }),
  'session.end': changing({
    summary: 'Ends one session of a user, or all of them.',
    needs: undefined,
    input: z
      .strictObject({ user, id: id.optional(), all: z.literal(true).optional() })
      .refine((one) => (one.id === undefined) !== (one.all === undefined), 'say either id or all'),
    at: whose,
    run: async (scene, input) => {
      const rows = await sessionsOf(scene.records, subject(scene, input.user))
      const ended = rows.filter(({ id }) => input.all || sessionId(id) === input.id)
      if (ended.length === 0 && !input.all) throw fail('not_here', { what: 'such id' })
      const ids = ended.map(({ id }) => sessionId(id))
      return { result: { ended: ids }, writes: ended.map(ending), before: { sessions: ids } }
    },
  }),
  'token.create': changing({
    summary: 'Makes a token for a machine; it is shown once.',
    needs: undefined,
    input: z.strictObject({
      name: z.string().regex(/^[\x20-\x7e]{1,64}$/, 'must be 1 to 64 printable ASCII characters'),
      days: z.int().min(1).max(366).default(90),
      grants: z
        .array(z.strictObject({ role: z.enum(ROLES), at: id }))
        .min(1)
        .max(20)
        .meta({ description: 'Roles at nodes, none beyond what you have there yourself.' }),
    }),
    at: (_, actor) => own(actor.user),
    run: async (scene, { name, days, grants }) => {
      // A token that was stolen would else outlive its own end.
      if (scene.actor.via === 'token') throw fail('forbidden', { needs: 'a session' })
      const mine = await placed(scene.records, scene.actor.grants)
      const wanted = await placed(scene.records, grants)
      for (const one of grants) {
        const at = wanted.find(({ at }) => at === one.at)
        if (!at || may(scene.actor, 'tree.read', at.path) === 'hidden')
          throw fail('not_here', { what: 'such id' })
        const given = both([{ ...one, path: at.path }], mine)
        const whole = given.some(({ role, at }) => role === one.role && at === one.at)
        if (!whole) throw fail('forbidden', { needs: `the role ${one.role} there yourself` })
      }
      if ((await tokensOf(scene.records, scene.actor.user)).length >= MOST_TOKENS)
        throw fail('taken_here', { problem: `You have ${MOST_TOKENS} tokens already: revoke one first.` })
      const created = scene.clock.now()
      const expires = created + days * DAY_MS
      const { token, id, put } = newToken({ user: scene.actor.user, name, created, expires, grants })
      return {
        result: { token, id, name, expires, grants },
        writes: [put],
        after: { id, name, expires, grants },
      }
    },
  }),
  'token.list': reading({
    summary: 'The tokens of a user, without what opens them.',
    needs: undefined,
    input: z.strictObject({ user }),
    at: whose,
    run: async (scene, input) => {
      const rows = await tokensOf(scene.records, subject(scene, input.user))
      return {
        tokens: rows.map(({ id, value: { name, created, expires, grants } }) => ({
          id: tokenId(id),
          name,
          created,
          expires,
          grants,
        })),
      }
    },
  }),
  'token.revoke': changing({
    summary: 'Ends a token for good.',
    needs: undefined,
    input: z.strictObject({ user, id }),
    at: whose,
    run: async (scene, input) => {
      const rows = await tokensOf(scene.records, subject(scene, input.user))
      const row = rows.find(({ id }) => tokenId(id) === input.id)
      if (!row) throw fail('not_here', { what: 'such id' })
      const before = { id: input.id, name: row.value.name }
      return { result: { revoked: input.id }, writes: [revoking(row)], before }
    },
  }),
})

/** Operators stand in no tree. */
const own = (user: string): NodeId => (user.startsWith(OPERATOR) ? SITE : user)

const whose = ({ user }: { user?: string | undefined }, actor: { user: string }): NodeId =>
  own(user ?? actor.user)

/**
 * Whose sessions and tokens it is about: one's own, or those of a user below whom one gives roles. A token has nothing of
 * its own: with a small part of what its maker may do it must not shut out its maker.
 */
const subject = ({ actor, path, node }: Scene, asked: string | undefined): string => {
  const own = asked === undefined || asked === actor.user
  if (own && actor.via !== 'token') return actor.user
  const allowed = may(actor, 'role.write', path)
  if (allowed === 'hidden' && !own) throw fail('not_here', { what: 'such id' })
  if (allowed !== 'yes') throw fail('forbidden', { needs: 'role.write' })
  if (own) return actor.user
  if (node && node.level !== 'user') throw fail('not_here', { what: 'such id' })
  return asked
}

type Given = { role: keyof typeof GRANTS; at: NodeId }

const placed = async (records: Records, grants: readonly Given[]): Promise<Placed[]> => {
  const all = grants.map(async (one) => ({ ...one, path: await nodePath(records, one.at) }))
  return (await Promise.all(all)).flatMap(({ path, ...one }) => (path ? [{ ...one, path }] : []))
}

/** How users sign in: set by who stands above them, and by themselves. */
import { z } from 'zod'
import type { Lockout } from '../accounts/lockout.ts'
import { type Login, type Node, nodePut, SITE } from '../accounts/node.ts'
import { covers } from '../accounts/operators.ts'
import { newPassword } from '../accounts/password.ts'
import { type Actor, isRole, may } from '../accounts/roles.ts'
import { ending, sessionsOf } from '../accounts/sessions.ts'
import { NAMES } from '../accounts/tables.ts'
import { fail } from '../errors.ts'
import type { Records, Write } from '../store/records.ts'
import { changing } from './desk.ts'
import { keepOwner } from './roles.ts'
import { idSchema, loginSchema, nameFor, nodeOf, shown, type TreeFacts, walletSchema } from './tree.ts'

export type LoginDeskFacts = Pick<TreeFacts, 'hashPassword'> & {
  verifyPassword: (password: string, kept: string | undefined) => Promise<boolean>
  lockout: Pick<Lockout, 'take' | 'passed'>
}

export const loginOperations = ({ hashPassword, verifyPassword, lockout }: LoginDeskFacts) => ({
  'user.login': changing({
    summary: 'How a user signs in: its name, its password, its wallet; what is left out stays, null ends it.',
    needs: 'tree.write',
    input: z.strictObject({
      id: idSchema,
      login: loginSchema.nullable().optional(),
      password: newPassword.nullable().optional(),
      wallet: walletSchema.nullable().optional(),
    }),
    at: ({ id }) => id,
    run: async ({ records, actor, path }, { id, login, password, wallet }) => {
      const { node, version } = await nodeOf(records, id)
      if (node.level !== 'user' || node.deleted !== undefined)
        throw fail('taken_here', { problem: 'Only a user that stands signs in.' })
      mayBecome(actor, node, path)
      const before = node.login ?? {}
      const next: Login = withoutNothing({
        name: login === undefined ? before.name : (login ?? undefined),
        password: password === undefined ? before.password : password && (await hashPassword(password)),
        wallet: wallet === undefined ? before.wallet : (wallet ?? undefined),
      })
      if (next.password !== undefined && next.name === undefined)
        throw fail('invalid_request', { problem: 'a password needs a login', param: 'login' })
      const after: Node = { ...node, login: next }
      const owners =
        opens(before) && !opens(next) ? await keepOwner(records, path[0]!, (user) => user.id === id) : []
      return {
        result: { node: shown(after) },
        writes: [nodePut(after, version), ...owners, ...(await renamed(records, id, before, next))],
        before: { login: shown(node).login ?? null },
        after: {
          login: shown(after).login ?? null,
          password: password === undefined ? 'as before' : 'changed',
        },
      }
    },
  }),

  'me.password': changing({
    summary: 'Another password of your own; ends your sessions, also those by wallet.',
    needs: undefined,
    input: z.strictObject({ present: z.string().max(200), next: newPassword }),
    at: (_input, actor) => (actor.user.startsWith('user_') ? actor.user : 'site'),
    run: async ({ records, actor }, { present, next }) => {
      if (!actor.user.startsWith('user_') || actor.via === 'token')
        throw fail('taken_here', { problem: 'The password of an operator is set in the configuration.' })
      const { node, version } = await nodeOf(records, actor.user)
      // Who took a session must not find out the password by it.
      const tried = [actor.user, actor.from ?? ''] as const
      await lockout.take(...tried)
      if (!(await verifyPassword(present, node.login?.password))) throw fail('login_failed')
      await lockout.passed(...tried)
      const after: Node = { ...node, login: { ...node.login, password: await hashPassword(next) } }
      // Those by wallet too, which do not rest on the password.
      const sessions = (await sessionsOf(records, actor.user)).map(ending)
      return { result: {}, writes: [nodePut(after, version), ...sessions], after: { password: 'changed' } }
    },
  }),
})

/** Refuses who acts on a user that may more than itself: who freezes one takes its rights away. */
export const mayActOn = (actor: Actor, { grants = [] }: Node, path: readonly string[]): void => {
  const beyond = grants.some(({ role, at }) => {
    const place = at === SITE ? [] : path.slice(0, path.indexOf(at) + 1)
    // A role elsewhere cannot be judged from here.
    const known = at === SITE || path.includes(at)
    return isRole(role) && !(known && covers(actor.grants, role, place))
  })
  if (beyond) throw fail('forbidden', { needs: 'all roles of that user' })
}

/** Who sets how somebody signs in could sign in as that one: that takes more than acting on it. */
const mayBecome = (actor: Actor, node: Node, path: readonly string[]): void => {
  mayActOn(actor, node, path)
  if ((node.grants ?? []).length > 0 && may(actor, 'role.write', path) !== 'yes')
    throw fail('forbidden', { needs: 'role.write' })
}

const opens = ({ password, wallet }: Login): boolean => password !== undefined || wallet !== undefined

const withoutNothing = (login: { [K in keyof Login]: Login[K] | null | undefined }): Login =>
  Object.fromEntries(Object.entries(login).filter(([, value]) => value !== undefined && value !== null))

/** The writes that free the names that a user no longer has, and take those that are new. */
const renamed = async (records: Records, id: string, before: Login, next: Login): Promise<Write[]> => {
  const writes: Write[] = []
  const kinds = [
    ['login', before.name, next.name],
    ['signin', before.wallet, next.wallet],
  ] as const
  for (const [kind, had, has] of kinds) {
    if (had === has) continue
    if (had !== undefined) writes.push({ table: NAMES, id: `${kind}:${had}`, drop: true })
    if (has !== undefined)
      writes.push(await nameFor(records, `${kind}:${has}`, id, kind === 'login' ? 'login' : 'wallet'))
  }
  return writes
}

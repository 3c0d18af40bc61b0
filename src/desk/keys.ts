/** Keys: what agents call with. A bearer key, a wallet, or both. */
import { z } from 'zod'
import { type Bearer, newBearer } from '../accounts/keys.ts'
import { budgetSchema, identified, rulesSchema } from '../accounts/limits.ts'
import { type Node, nodePut, pathOf } from '../accounts/node.ts'
import { NAMES, NODES } from '../accounts/tables.ts'
import { fail } from '../errors.ts'
import type { Write } from '../store/records.ts'
import { changing, type Scene } from './desk.ts'
import {
  added,
  adding,
  below,
  idSchema,
  nameFor,
  nameSchema,
  nodeOf,
  shown,
  standing,
  walletSchema,
} from './tree.ts'
import { proveWallet } from './wallet-proof.ts'

const kept = ({ prefix, hash }: Bearer) => ({ prefix, hash })

/** Some node on a path asks for a second person. */
export const needsTwo = async ({ records, path }: Pick<Scene, 'records' | 'path'>): Promise<boolean> => {
  const rows = await records.many<Node>(NODES, path)
  return rows.some((row) => row?.value.rules.fourEyes === true)
}

/** `site`: where this router is reached, which a wallet signs for. */
export const keyOperations = ({ site }: { site: string }) => ({
  'key.create': changing({
    summary: 'A new key of a user: a bearer key (shown once), the wallet that pays for it, or both.',
    needs: 'key.write',
    input: z.strictObject({
      user: idSchema,
      name: nameSchema,
      bearer: z.stringbool().or(z.boolean()).default(true),
      wallet: walletSchema.optional(),
      walletSignature: z
        .string()
        .regex(/^0x[0-9a-fA-F]{130}$/, 'must be a signature of 65 bytes')
        .optional(),
      rules: rulesSchema.default({}),
      budgets: z.array(budgetSchema).max(20).default([]),
    }),
    at: ({ user }) => user,
    approval: async (scene, { rules, budgets }) => {
      const few = rules.models?.every((one) => one !== '*') === true
      const limited = few || rules.maxPerCall !== undefined || budgets.some(({ kind }) => kind === 'hard')
      return !limited && (await needsTwo(scene)) ? 'a key without limits of its own' : undefined
    },
    run: async ({ records, clock, node, actor }, input) => {
      const { name, bearer, wallet, walletSignature: signature, rules, budgets } = input
      const parent = below(node, ['user'])
      await standing(records, parent)
      if (!bearer && wallet === undefined)
        throw fail('invalid_request', {
          problem: 'a key is a bearer key, a wallet, or both',
          param: 'wallet',
        })
      if (wallet !== undefined) await proveWallet(actor, { wallet, user: parent.id, signature, site })
      const made = bearer ? newBearer() : undefined
      const key = adding('key', {
        name,
        parent,
        clock,
        rules: rules as Node['rules'],
        budgets: identified(budgets, []),
        key: { ...(made && kept(made)), ...(wallet !== undefined && { wallet }) },
      })
      const names = [
        ...(made ? [await nameFor(records, `bearer:${made.prefix}`, key.id, 'prefix')] : []),
        ...(wallet === undefined ? [] : [await nameFor(records, `wallet:${wallet}`, key.id, 'wallet')]),
      ]
      return added(key, names, made ? { secret: made.secret } : {})
    },
  }),

  'key.rotate': changing({
    summary: 'A new bearer key in the place of the old one, which ends at once; shown once.',
    needs: 'key.write',
    input: z.strictObject({ id: idSchema }),
    at: ({ id }) => id,
    run: async ({ records }, { id }) => {
      const { node, version } = await nodeOf(records, id)
      if (node.level !== 'key' || node.deleted !== undefined)
        throw fail('taken_here', { problem: 'Only a key that stands can be rotated.' })
      await standing(records, node)
      const made = newBearer()
      const next: Node = { ...node, key: { ...node.key, ...kept(made) } }
      const old = node.key?.prefix
      const writes: Write[] = [
        nodePut(next, version),
        { table: NAMES, id: `bearer:${made.prefix}`, value: id, if: 0 },
        ...(old === undefined ? [] : [{ table: NAMES, id: `bearer:${old}`, drop: true as const }]),
      ]
      return {
        result: { node: shown(next), secret: made.secret },
        writes,
        before: { prefix: old ?? null },
        after: { prefix: made.prefix },
        about: { id, path: pathOf(node) },
      }
    },
  }),
})

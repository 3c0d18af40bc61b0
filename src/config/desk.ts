import { z } from 'zod'
import { budgetSchema, rulesSchema } from '../accounts/limits.ts'
import type { Budget, Rules } from '../accounts/node.ts'
import type { Operator } from '../accounts/operators.ts'
import type { Hex } from '../assets.ts'
import { envName } from './check.ts'
import { usd } from './fields.ts'

const operator = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._@+-]{1,99}$/, 'must be 2 to 100 of a-z, 0-9 and . _ @ + -')
    .describe('What it signs in as'),
  passwordEnv: envName.optional().describe('Environment variable with its password, 12 characters or more'),
  wallet: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address')
    .transform((text) => text.toLowerCase() as Hex)
    .optional()
    .describe('Address that signs in instead (EIP-4361)'),
})

/** Organisations, and who runs this router. */
export const desk = z
  .strictObject({
    operators: z
      .array(operator)
      .max(50)
      .default([])
      .describe('Owners of the whole router: who may sign in at /admin from the start'),
    wallets: z
      .strictObject({
        allow: z.boolean().default(true).describe('Wallets that no key has may call'),
        rules: rulesSchema.prefault({}).describe('What each of them is allowed'),
        budgets: z.array(budgetSchema).max(20).default([]).describe('What each of them may spend'),
      })
      .prefault({})
      .describe('The policy for wallets that no key has: each is an account of its own'),
    approvalHours: z
      .number()
      .min(0.01)
      .max(720)
      .default(24)
      .describe('How long an approval is waited for, and good, hours'),
    webhooks: z
      .strictObject({
        allowPrivate: z
          .boolean()
          .default(false)
          .describe('Also to private addresses and over http: for tests and closed networks only'),
      })
      .prefault({}),
    anomalyFloor: usd.prefault('5').describe('Spending an hour below this is never told as unusual, USD'),
    settlementLateSeconds: z
      .int()
      .min(10)
      .default(300)
      .describe('A settlement older than this is told as late'),
  })
  .prefault({})

type File = z.output<typeof desk>
type Environment = Readonly<Record<string, string | undefined>>

const SHORTEST = 12

/** The operators with their passwords. */
export const operatorsOf = ({ operators }: File, env: Environment): Operator[] =>
  operators.map(({ name, passwordEnv, wallet }) => {
    const password = passwordEnv === undefined ? undefined : env[passwordEnv]
    return { name, ...(password !== undefined && { password }), ...(wallet && { wallet }) }
  })

/** What is wrong with them, without their passwords. */
export const deskProblems = (
  { operators, approvalHours, wallets }: File,
  archive: { file?: string | undefined; keepDays: number },
  env: Environment,
): string[] => {
  const names = operators.map(({ name }) => name)
  // Once its call has left the store, nobody knows that it was used.
  const forgotten = archive.file !== undefined && approvalHours > archive.keepDays * 24
  return [
    ...(forgotten ? [`desk.approvalHours: must be at most archive.keepDays (${archive.keepDays} days)`] : []),
    ...(names.includes('cli') ? ['desk.operators: cli is the name of the command line'] : []),
    ...names
      .filter((name, i) => names.indexOf(name) !== i)
      .map((name) => `desk.operators: ${name} is there twice`),
    ...walletPolicy({ wallets })
      .budgets.map(({ id }) => id)
      .filter((id, i, ids) => ids.indexOf(id) !== i)
      .map((id) => `desk.wallets.budgets: ${id} is there twice`),
    ...operators.flatMap(({ passwordEnv, wallet }, i) => {
      if (passwordEnv === undefined) return wallet ? [] : [`desk.operators.${i}: needs passwordEnv or wallet`]
      const short = (env[passwordEnv] ?? '').length < SHORTEST
      return short
        ? [`desk.operators.${i}.passwordEnv: set ${passwordEnv} to ${SHORTEST} characters or more`]
        : []
    }),
  ]
}

/** The policy for wallets that no key has; budgets without an id are known by their place. */
export const walletPolicy = ({
  wallets,
}: Pick<File, 'wallets'>): { allow: boolean; rules: Rules; budgets: Budget[] } => ({
  allow: wallets.allow,
  rules: wallets.rules as Rules,
  // The same after every start, or what was spent would be forgotten.
  budgets: wallets.budgets.map((one, i) => ({ ...one, id: one.id ?? `${one.per}_${one.window}_${i}` })),
})

import { z } from 'zod'

const nodeCheck = z.object({
  ok: z.boolean(),
  chain: z.string().optional().describe('The chain that it serves, when it answers'),
  block: z.string().optional(),
})

const chainCheck = z.object({
  ok: z.boolean(),
  block: z.string().optional().describe('The newest block that any node has'),
  ageSeconds: z.int().optional().describe('By our clock; below 0 when that is behind'),
  blockSeconds: z.number().optional().describe('Between its last blocks'),
  baseFeeWei: z.string().optional(),
  settlements: z
    .string()
    .optional()
    .describe('So many more the settler can pay the gas of, at the present fees'),
  nodes: z.array(nodeCheck).describe('As configured, in order'),
})

const storeCheck = z.object({
  ok: z.boolean(),
  ms: z.number().optional().describe('How long it took to answer'),
  clockMs: z.number().optional().describe('How far its clock is ahead of ours'),
})

/** What /readyz answers: whether paid calls can be taken, what stands in the way, what will soon, and what was looked at. */
export const readinessSchema = z.object({
  ready: z.boolean(),
  problems: z.array(z.string()),
  warnings: z.array(z.string()),
  checks: z.object({
    store: storeCheck.optional(),
    chains: z.record(z.string(), chainCheck).optional(),
  }),
})

export type Readiness = z.infer<typeof readinessSchema>
export type ChainCheck = z.infer<typeof chainCheck>
export type StoreCheck = z.infer<typeof storeCheck>

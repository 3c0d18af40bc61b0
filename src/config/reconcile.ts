import { z } from 'zod'
import { count } from './fields.ts'

/** How the ledger is kept in agreement with the chain while the router runs. */
export const reconciling = z
  .strictObject({
    everySeconds: count.default(60).describe('How often the ledger is compared with the chain'),
    overlapBlocks: z
      .int()
      .min(1)
      .max(100_000)
      .default(64)
      .describe('Blocks that are compared again each time, for the sake of reorganisations'),
    from: z
      .int()
      .min(0)
      .optional()
      .describe('First block ever compared; default a little before the oldest payment in the ledger'),
  })
  .prefault({})

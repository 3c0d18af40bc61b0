import { z } from 'zod'

/** What becomes of the past of a ledger in Redis. */
export const archiving = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'SQLite file that one instance copies the ledger in Redis to; without one, Redis keeps everything. Give it to one instance only',
      ),
    keepDays: z
      .number()
      .positive()
      .max(3_650)
      .default(7)
      .describe('How long what has come to rest stays in Redis once it is in the archive, days'),
  })
  .prefault({})

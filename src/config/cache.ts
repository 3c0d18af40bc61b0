import { z } from 'zod'

/** Whole answers that are given again to the payer who asked the very same, when it wants that. */
export const cache = z
  .strictObject({
    megabytes: z
      .int()
      .min(0)
      .max(65_536)
      .default(0)
      .describe('Memory for answers that X-Farebox-Cache: on asks to keep; 0: none are kept'),
    ttlSeconds: z.int().min(1).max(86_400).default(600).describe('How long one is given again'),
  })
  .prefault({})

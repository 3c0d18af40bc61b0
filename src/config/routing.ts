import { z } from 'zod'

/** How hosts and models are chosen where the caller does not say. */
export const routing = z
  .strictObject({
    strategy: z
      .enum(['balanced', 'cost', 'latency', 'availability'])
      .default('balanced')
      .describe(
        'What counts most: the price, the time to the answer, that there is one, or a balance of them',
      ),
    flagship: z
      .string()
      .optional()
      .describe('Model that savings are measured against; default: the most able one that is hosted'),
  })
  .prefault({})

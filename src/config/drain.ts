import { z } from 'zod'

/** How the router ends; a part of `server`. */
export const draining = {
  drainMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(30_000)
    .describe('How long calls may go on after SIGTERM, ms; then they end, billed for what was delivered'),
  drainDelayMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(0)
    .describe(
      'How long calls are still taken after SIGTERM, ms, while /readyz says no: for balancers to notice',
    ),
}

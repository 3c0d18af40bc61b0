import { z } from 'zod'
import { usd } from './fields.ts'

/** Charges of answers that never arrived. */
export const refunds = z
  .strictObject({
    lost: z
      .enum(['credit', 'none'])
      .default('credit')
      .describe('credit: when an answer in one piece did not reach its caller, its charge becomes credit'),
    perPayerPerDay: z.int().min(0).max(1_000).default(10).describe('Most of them for one payer a day'),
  })
  .prefault({})

/** Credit that goes back to its payers on the chain, from the settler's own balance of the token. */
export const payouts = z
  .strictObject({
    above: usd.optional().describe('Credit from this on is paid out without being asked for; default never'),
    least: usd.prefault('1.00').describe('Smallest payout'),
  })
  .prefault({})
  .describe('Credit paid out on the chain; the settler must hold the token')

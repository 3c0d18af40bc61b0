import { z } from 'zod'
import { count, usd } from './fields.ts'

/** First approvals that gas is paid for. */
export const sponsor = z
  .strictObject({
    perPayerPerDay: z
      .int()
      .min(0)
      .max(100)
      .default(1)
      .describe('Approvals of one payer that gas is paid for, a day and chain; 0: none'),
    perDay: z.int().min(0).max(10_000).default(100).describe('The same for all payers together'),
    maxUsd: usd
      .prefault('0.50')
      .describe('Most that the gas of one may cost, where the chain says nativeUsd'),
  })
  .prefault({})
  .describe('First approvals of Permit2, sent by payers without gas together with a payment')

/** Payment channels. */
export const channels = z
  .strictObject({
    withdrawDelaySeconds: z
      .int()
      .min(900)
      .max(2_592_000)
      .default(86_400)
      .describe(
        'How long a payer waits to take its money out of a channel by itself; claims are made well before',
      ),
    claimAbove: usd.prefault('1.00').describe('A channel is claimed once this much is unclaimed'),
    claimAfterSeconds: count.default(3_600).describe('Or once it was not claimed for this long'),
  })
  .prefault({})

import { z } from 'zod'
import { hex } from '../wire/fields.ts'
import type { Checked } from './receipts.ts'
import { type Fetch, parse, readBytes } from './request.ts'

/**
 * How a paid call stands with its router, as the router says: `none` and `due` have no transaction yet, `settled` and
 * `included` name the one that moved the money. A voucher stays `none`: its channel is claimed later, for many calls at once.
 */
export type Settlement = z.infer<typeof settlement>

const settlement = z.object({
  settlement: z.enum(['none', 'due', 'settling', 'included', 'settled', 'lost']),
  transaction: hex(32).nullish(),
  charged: z.string().nullish(),
})
const MOST = 1 << 16

/** Asks GET /v1/calls/{id} for the call of a receipt; undefined when there is no receipt or no clear answer. */
export const settlementOf = async (
  fetch: Fetch,
  checked: Checked | undefined,
): Promise<Settlement | undefined> => {
  if (!checked?.signed) return undefined
  const { callId, nonce } = checked.signed.receipt
  const at = checked.url.indexOf('/v1/')
  if (at === -1 || !/^[\w-]{1,100}$/.test(callId)) return undefined
  try {
    const response = await fetch(`${checked.url.slice(0, at)}/v1/calls/${callId}`, { redirect: 'error' })
    const said = parse(await readBytes(response, MOST)) as { nonce?: unknown } | null | undefined
    const parsed = settlement.safeParse(said)
    return response.ok && parsed.success && String(said?.nonce).toLowerCase() === nonce
      ? parsed.data
      : undefined
  } catch {
    return undefined
  }
}

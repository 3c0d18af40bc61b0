/** A facilitator that somebody else runs, as an untrusted relay: what it says is a hint, the chain decides. */
import { Agent, request } from 'undici'
import type { Asset, Hex } from '../assets.ts'
import { seconds } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import { reasonOf } from '../log.ts'
import { EXACT_PROXY } from '../wire/contracts.ts'

/**
 * What became of asking it. `pending`: it may settle, or have settled, in the transaction it named, if any. `refused`:
 * it says that it never will. Neither is believed where money is booked.
 */
export type Hint = { kind: 'pending'; why: string; hash?: Hex } | { kind: 'refused'; why: string }

export type Relay = {
  /** Asks for a payment to be settled; asking again does no harm: an authorization moves money once. Never throws. */
  settle: (call: Call) => Promise<Hint>
  close: () => Promise<void>
}

export type RelayFacts = {
  /** Where it is; `/settle` is added. */
  url: string
  /** What it wants to know us by, for each request. */
  headers: () => Promise<Readonly<Record<string, string>>>
  /** Longest wait for one answer, ms. */
  timeoutMs: number
  assetOf: (call: Call) => Asset | undefined
}

const LARGEST_ANSWER = 64 << 10

/** Speaks `POST /settle` of the x402 facilitator API: no redirect is followed, no cookie kept, at most 64 KB read. */
export const createRelay = ({ url, headers, timeoutMs, assetOf }: RelayFacts): Relay => {
  const agent = new Agent({ connections: 16, headersTimeout: timeoutMs, bodyTimeout: timeoutMs })
  const settleUrl = `${url.replace(/\/+$/, '')}/settle`

  const ask = async (call: Call, asset: Asset): Promise<Hint> => {
    const reply = await request(settleUrl, {
      method: 'POST',
      headers: { ...(await headers()), 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(settleBody(call, asset)),
      dispatcher: agent,
      signal: AbortSignal.timeout(timeoutMs),
    })
    return hintOf(reply.statusCode, await readLimited(reply.body))
  }

  return {
    settle: async (call) => {
      const asset = assetOf(call)
      if (!asset) return { kind: 'refused', why: 'its token is not configured' }
      try {
        return await ask(call, asset)
      } catch (error) {
        return { kind: 'pending', why: reasonOf(error) }
      }
    },
    close: () => agent.destroy(),
  }
}

/** The payment as its payer signed it, with the requirements that it meets: the body of `/settle`. */
export const settleBody = (call: Call, { name, version }: Asset) => {
  const permit2 = call.kind === 'permit2'
  const paymentRequirements = {
    scheme: 'exact',
    network: call.chain,
    amount: call.signed.toString(),
    asset: call.token,
    payTo: call.payTo,
    maxTimeoutSeconds: Math.max(1, Number(call.validBefore) - seconds(call.at)),
    extra: permit2 ? { assetTransferMethod: 'permit2' } : { name, version },
  }
  const payload = permit2 ? permit2Payload(call) : eip3009Payload(call)
  return {
    x402Version: 2,
    paymentPayload: { x402Version: 2, accepted: paymentRequirements, payload },
    paymentRequirements,
  }
}

const eip3009Payload = (call: Call) => ({
  signature: call.signature,
  authorization: {
    from: call.payer,
    to: call.payTo,
    value: call.signed.toString(),
    validAfter: call.validAfter.toString(),
    validBefore: call.validBefore.toString(),
    nonce: call.nonce,
  },
})

const permit2Payload = (call: Call) => ({
  signature: call.signature,
  permit2Authorization: {
    from: call.payer,
    permitted: { token: call.token, amount: call.signed.toString() },
    spender: EXACT_PROXY,
    nonce: BigInt(call.nonce).toString(),
    deadline: call.validBefore.toString(),
    witness: { to: call.payTo, validAfter: call.validAfter.toString() },
  },
})

/** Reads an answer: only a clear refusal is one. Whatever else it is, the payment may be on its way. */
export const hintOf = (status: number, text: string): Hint => {
  const told = read(text)
  if (isTransient(status)) return pending(`status ${status}`, told?.transaction)
  const ok = status >= 200 && status < 300
  if (told === undefined) return ok ? pending('not a settle response') : refused(`status ${status}`)
  if (told.success) return ok ? pending('submitted', told.transaction) : pending(`success with ${status}`)
  const why = told.reason || `status ${status}`
  return MAY_BE_DONE.test(why) ? pending(why, told.transaction) : refused(why)
}

/** Reasons after which the money may move all the same, or has: pending ones, its own trouble, and "used already". */
const MAY_BE_DONE =
  /pending|unexpected|timeout|timed_out|unavailable|already|used|duplicate|in_flight|busy|transaction_failed|transaction_state|invalid_nonce/i

// Redirects are an answer of nobody we know.
const isTransient = (status: number): boolean =>
  status >= 500 || (status >= 300 && status < 400) || status === 408 || status === 425 || status === 429

const read = (text: string): { success: boolean; reason: string; transaction: unknown } | undefined => {
  try {
    const json = JSON.parse(text) as Record<string, unknown> | null
    if (typeof json !== 'object' || typeof json?.['success'] !== 'boolean') return undefined
    const reason = json['errorReason']
    return {
      success: json['success'],
      reason: typeof reason === 'string' ? reason.replace(/[^\w.:-]/g, '_').slice(0, 100) : '',
      transaction: json['transaction'],
    }
  } catch {
    return undefined
  }
}

const pending = (why: string, transaction?: unknown): Hint =>
  typeof transaction === 'string' && /^0x[0-9a-fA-F]{64}$/.test(transaction)
    ? { kind: 'pending', why, hash: transaction.toLowerCase() as Hex }
    : { kind: 'pending', why }

const refused = (why: string): Hint => ({ kind: 'refused', why })

const readLimited = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > LARGEST_ANSWER) throw new Error('the answer is too large')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

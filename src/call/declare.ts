import { bazaar, PAYMENT_IDENTIFIER } from '../wire/extensions.ts'
import { encodeHeaderJson } from '../wire/json.ts'
import { offerExtension } from '../wire/offer-receipt.ts'
import type { PaymentRequired, Requirement } from '../wire/payment.ts'
import type { Deps } from './deps.ts'

/** A request header that asks for the offers of one network only. */
export const NETWORK_HEADER = 'X-Farebox-Network'

/** Characters of PAYMENT-REQUIRED at most: Node and undici refuse an answer whose headers pass 16 KB together. */
export const HEADER_BUDGET = 12 << 10

export type Declared = {
  /** The value of PAYMENT-REQUIRED. */
  header: string
  /** All that is declared, also what the header has no room for. */
  extensions: Record<string, unknown>
  /** Offers that the header has no room for. */
  leftOut: readonly Requirement[]
}

/**
 * Puts a 402 together within its budget. First the offers: the least useful are left out until they fit. Then what
 * a payment needs, then signed offers, then how to call this resource: each only where there is room for it.
 */
export const declare = async (
  deps: Pick<Deps, 'notary'>,
  wanted: PaymentRequired,
  facts: { model: string; validUntil: number },
): Promise<Declared> => {
  const needed = { ...wanted.extensions, ...PAYMENT_IDENTIFIER }
  const accepts = fitting({ ...wanted, extensions: needed })
  const required: PaymentRequired = { ...wanted, accepts, extensions: needed }
  const signed = (await deps.notary?.offers(accepts, facts.validUntil)) ?? []
  const extras: Record<string, unknown>[] = [
    ...(signed.length > 0 ? [offerExtension(signed)] : []),
    describing(facts.model),
  ]
  let room = HEADER_BUDGET - headerSize(required)
  for (const extra of extras) {
    const size = base64Size(JSON.stringify(extra).length)
    if (size > room) continue
    room -= size
    required.extensions = { ...required.extensions, ...extra }
  }
  const kept = new Set(accepts)
  return {
    header: encodeHeaderJson(required),
    extensions: Object.assign({}, needed, ...extras),
    leftOut: wanted.accepts.filter((one) => !kept.has(one)),
  }
}

/** As many of the offers as fit, in their order; at least one. */
const fitting = (required: PaymentRequired): Requirement[] => {
  const sizes = new Map(required.accepts.map((one) => [one, JSON.stringify(one).length + 1]))
  let size = JSON.stringify({ ...required, accepts: [] }).length
  for (const one of sizes.values()) size += one
  const kept = new Set(required.accepts)
  for (const worst of byUse(required.accepts).toReversed()) {
    if (base64Size(size) <= HEADER_BUDGET || kept.size === 1) break
    kept.delete(worst)
    size -= sizes.get(worst)!
  }
  return required.accepts.filter((one) => kept.has(one))
}

/** The most useful offer first: what others make needless comes last, before it later chains, then later tokens, then the schemes that fewer clients speak. */
const byUse = (accepts: readonly Requirement[]): Requirement[] => {
  const chains = [...new Set(accepts.map((one) => one.network))]
  const assets = [...new Set(accepts.map((one) => one.asset))]
  const rank = (one: Requirement): number =>
    (isNeedless(one, accepts) ? 1_000_000 : 0) +
    chains.indexOf(one.network) * 10_000 +
    assets.indexOf(one.asset) * 10 +
    SCHEMES.indexOf(one.scheme)
  return accepts.toSorted((a, b) => rank(a) - rank(b))
}

const SCHEMES: readonly Requirement['scheme'][] = ['exact', 'upto', 'batch-settlement']

/** `exact` by Permit2 of a token whose own authorizations are taken. */
const isNeedless = (one: Requirement, accepts: readonly Requirement[]): boolean =>
  one.scheme === 'exact' &&
  one.extra.assetTransferMethod === 'permit2' &&
  accepts.some(
    (other) =>
      other.scheme === 'exact' &&
      other.network === one.network &&
      other.asset === one.asset &&
      other.extra.assetTransferMethod !== 'permit2',
  )

const headerSize = (required: PaymentRequired): number =>
  base64Size(Buffer.byteLength(JSON.stringify(required)))
const base64Size = (bytes: number): number => Math.ceil(bytes / 3) * 4

/** How to call this resource, for catalogues; the example asks for the model of the request. */
const describing = (model: string) =>
  bazaar({
    body: { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100 },
    bodySchema: BODY_SCHEMA,
    answer: { object: 'chat.completion', choices: [{ message: { role: 'assistant', content: 'Hello!' } }] },
  })

const BODY_SCHEMA = {
  type: 'object',
  properties: {
    model: { type: 'string' },
    messages: { type: 'array', items: { type: 'object' } },
    max_tokens: { type: 'integer' },
    stream: { type: 'boolean' },
  },
  required: ['model', 'messages'],
}

import { bazaar, PAYMENT_IDENTIFIER } from '../wire/extensions.ts'
import { offerExtension, UNSIGNED_OFFERS } from '../wire/offer-receipt.ts'
import type { PaymentRequired, Requirement } from '../wire/payment.ts'
import type { Deps } from './deps.ts'

/** A request header that asks for the offers of one network only. */
export const NETWORK_HEADER = 'X-Farebox-Network'

/** A request header that asks for signed offers, by the word `offers`. Unasked they are not signed: seven signatures cost more than all else in a 402. */
export const SIGN_HEADER = 'X-Farebox-Sign'

/** Characters of PAYMENT-REQUIRED at most: Node and undici refuse an answer whose headers pass 16 KB together. */
export const HEADER_BUDGET = 12 << 10

export type Declared = {
  /** The value of PAYMENT-REQUIRED. */
  header: string
  /** All that is declared, also what the header has no room for: a JSON object. */
  extensions: string
  /** Offers that the header has no room for. */
  leftOut: readonly Requirement[]
}

/**
 * Puts a 402 together within its budget. First the offers: the least useful are left out until they fit. Then what
 * a payment needs, then signed offers, then how to call this resource: each only where there is room for it.
 * `signed`: the offers are to be signed.
 */
export const declare = async (
  deps: Pick<Deps, 'notary'>,
  wanted: PaymentRequired,
  facts: { model: string; validUntil: number; signed: boolean },
): Promise<Declared> => {
  const needed = [...fieldsOf(wanted.extensions ?? NOTHING), ...fieldsOf(PAYMENT_IDENTIFIER)]
  const { x402Version, error, resource } = wanted
  const head = JSON.stringify({ x402Version, error, resource }).slice(0, -1)
  const texts = wanted.accepts.map((one) => JSON.stringify(one))
  const frame = bytes(head) + bytes(needed.join()) + FRAME
  const kept = fitting(wanted.accepts, texts, frame)
  const accepts = wanted.accepts.filter((_, i) => kept.has(i))
  const shown = texts.filter((_, i) => kept.has(i)).join()
  const offers = await offersOf(deps, accepts, facts)
  const extras = [...offers, describing(facts.model)]
  const fields = [...needed]
  let size = frame + bytes(shown)
  // Signed offers that have no room are in the body alone; how to ask for them still tells that there is a receipt.
  const fits = (field: string): boolean => {
    const more = size + bytes(field) + 1
    if (base64Size(more) > HEADER_BUDGET) return false
    size = more
    fields.push(field)
    return true
  }
  if (offers[0] !== undefined && !fits(offers[0]) && offers !== UNSIGNED) fits(UNSIGNED[0]!)
  fits(describing(facts.model))
  const text = `${head},"accepts":[${shown}],"extensions":{${fields.join()}}}`
  return {
    header: Buffer.from(text, 'utf8').toString('base64'),
    extensions: `{${[...needed, ...extras].join()}}`,
    leftOut: wanted.accepts.filter((_, i) => !kept.has(i)),
  }
}

const NOTHING = {}
const FRAME = ',"accepts":[],"extensions":{}}'.length

/** The offers, signed where that is asked for; else how to ask. Nothing where signing is switched off. */
const offersOf = async (
  { notary }: Pick<Deps, 'notary'>,
  accepts: readonly Requirement[],
  { signed, validUntil }: { signed: boolean; validUntil: number },
): Promise<string[]> => {
  if (!notary) return []
  const offers = signed ? await notary.offers(accepts, validUntil) : []
  return offers.length > 0 ? [inner(offerExtension(offers))] : UNSIGNED
}

const inner = (object: object): string => JSON.stringify(object).slice(1, -1)

const UNSIGNED = [inner(UNSIGNED_OFFERS(`${SIGN_HEADER}: offers`))]

// What the configuration declares is the same objects in every 402.
const written = new WeakMap<object, string[]>()

/** The fields of an object as JSON. */
const fieldsOf = (object: object): readonly string[] => {
  const known = written.get(object)
  if (known) return known
  const made = Object.entries(object).map(([name, value]) => inner({ [name]: value }))
  written.set(object, made)
  return made
}

/** Which of the offers fit beside `frame` bytes; at least one. */
const fitting = (
  accepts: readonly Requirement[],
  texts: readonly string[],
  frame: number,
): ReadonlySet<number> => {
  const kept = new Set(accepts.keys())
  let size = frame + texts.reduce((sum, text) => sum + bytes(text) + 1, 0)
  if (base64Size(size) <= HEADER_BUDGET) return kept
  for (const worst of byUse(accepts).toReversed()) {
    if (base64Size(size) <= HEADER_BUDGET || kept.size === 1) break
    kept.delete(worst)
    size -= bytes(texts[worst]!) + 1
  }
  return kept
}

/** The most useful offer first: what others make needless comes last, before it later chains, then later tokens, then the schemes that fewer clients speak. */
const byUse = (accepts: readonly Requirement[]): number[] => {
  const chains = [...new Set(accepts.map((one) => one.network))]
  const assets = [...new Set(accepts.map((one) => one.asset))]
  const rank = (one: Requirement): number =>
    (isNeedless(one, accepts) ? 1_000_000 : 0) +
    chains.indexOf(one.network) * 10_000 +
    assets.indexOf(one.asset) * 10 +
    SCHEMES.indexOf(one.scheme)
  const ranks = accepts.map(rank)
  return [...accepts.keys()].toSorted((a, b) => ranks[a]! - ranks[b]!)
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

const bytes = (text: string): number => Buffer.byteLength(text)
const base64Size = (size: number): number => Math.ceil(size / 3) * 4

const MOST_MODELS = 1_000
const described = new Map<string, string>()

/** How to call this resource, for catalogues; the example asks for the model of the request. */
const describing = (model: string): string => {
  const known = described.get(model)
  if (known !== undefined) return known
  const made = inner(
    bazaar({
      body: { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 100 },
      bodySchema: BODY_SCHEMA,
      answer: {
        object: 'chat.completion',
        choices: [{ message: { role: 'assistant', content: 'Hello!' } }],
      },
    }),
  )
  if (described.size >= MOST_MODELS) described.clear()
  described.set(model, made)
  return made
}

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

import { hash, timingSafeEqual } from 'node:crypto'
import type { ChainId, Hex } from '../assets.ts'
import type { Prices, Rates } from '../catalog/catalog.ts'
import type { Rate } from '../money.ts'
import { parseAmount } from '../money.ts'
import type { Route } from '../route/plan.ts'
import type { Strategy } from '../route/strategies.ts'

/** The promises of one offer: what its HMAC covers. Amounts in units of `asset`. */
export type Terms = {
  id: string
  asked: string
  /** How these routes were chosen, and why in a few words that hold nothing of the prompt. */
  strategy: Strategy
  why: string
  routes: Route[]
  digest: Hex
  /** Text tokens as estimated, to learn from what is reported; 0 when the request holds more than text. */
  estimated: number
  /** Input tokens that are billed when nobody reports any. */
  input: number
  /** The operator's margin at the time, millionths. */
  margin: bigint
  maxOutput: number
  choices: number
  /** The most that may be charged. */
  ceiling: bigint
  /** What the payer signs: the ceiling less the credit used. */
  amount: bigint
  credit: bigint
  /** Whose credit is used; then only this payer may pay. */
  payer: Hex | undefined
  chain: ChainId
  asset: Hex
  payTo: Hex
  /** Unix seconds. */
  expires: number
  epoch: number
}

export type Sealer = {
  /** An opaque ASCII token, `v1.<terms>.<mac>`. */
  seal: (terms: Terms) => string
  /** The terms of a token that this router sealed; undefined for any other. Does not look at the clock. */
  open: (token: string) => Terms | undefined
}

const DOMAIN = 'farebox quote v1\n'

/** Seals and opens quotes with HMAC-SHA256. `secrets`: the first seals, all open, so that a secret can be rotated. */
export const createSealer = async (secrets: readonly string[]): Promise<Sealer> => {
  const keys = secrets.map((secret) => {
    const mac = hmacOf(secret)
    return { id: keyId(secret), mac: (text: string) => mac(`${DOMAIN}${text}`) }
  })
  const first = keys[0]
  if (!first) throw new Error('a sealer needs at least one secret')
  return {
    seal: (terms) => {
      const body = `v1.${first.id}.${Buffer.from(pack(terms)).toString('base64url')}`
      return `${body}.${encoded(first.mac(body))}`
    },
    open: (token) => {
      const cut = token.lastIndexOf('.')
      const body = token.slice(0, cut)
      const [version, id, packed, ...more] = body.split('.')
      const key = keys.find((one) => one.id === id)
      if (version !== 'v1' || !key || packed === undefined || more.length > 0) return undefined
      // Compared as text: base64url decodes more than one spelling to the same bytes.
      const given = Buffer.from(token.slice(cut + 1))
      const wanted = Buffer.from(encoded(key.mac(body)))
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined
      return unpack(Buffer.from(packed, 'base64url').toString('utf8'))
    },
  }
}

const encoded = (mac: Buffer): string => mac.toString('base64url')

const keyId = (secret: string): string => hmacOf(secret)('farebox key id').toString('base64url').slice(0, 6)

const BLOCK = 64

/** HMAC-SHA256 by two hashes in one call each: a third of the time of node:crypto's object. Source: RFC 2104. */
const hmacOf = (secret: string): ((text: string) => Buffer) => {
  const given = Buffer.from(secret)
  const key = Buffer.alloc(BLOCK)
  key.set(given.length > BLOCK ? hash('sha256', given, 'buffer') : given)
  const [inside, outside] = [0x36, 0x5c].map((by) => key.map((byte) => byte ^ by))
  return (text) => {
    const inner = Buffer.concat([inside!, Buffer.from(text)])
    return hash('sha256', Buffer.concat([outside!, hash('sha256', inner, 'buffer')]), 'buffer')
  }
}

/** Input, output, cached, written; then tiers: each where it starts, and its four prices. */
type PackedPrices = [string, string, string, string?, [number, string, string, string, string][]?]

// Fixed slots, so that the token stays small in a header that carries it back.
type Packed = [
  string,
  string,
  [string, string, string, ...PackedPrices][],
  Hex,
  number,
  number,
  string,
  number,
  number,
  string,
  string,
  string,
  Hex | null,
  ChainId,
  Hex,
  Hex,
  number,
  number,
  Strategy,
  string,
]

const pack = (t: Terms): string =>
  JSON.stringify([
    t.id,
    t.asked,
    t.routes.map(({ model, provider, hostModel, prices }) => [
      model,
      provider,
      hostModel,
      ...packPrices(prices),
    ]),
    t.digest,
    t.estimated,
    t.input,
    t.margin.toString(),
    t.maxOutput,
    t.choices,
    t.ceiling.toString(),
    t.amount.toString(),
    t.credit.toString(),
    t.payer ?? null,
    t.chain,
    t.asset,
    t.payTo,
    t.expires,
    t.epoch,
    t.strategy,
    t.why,
  ] satisfies Packed)

// Only what we sealed gets here, so its shape is known.
const unpack = (text: string): Terms => {
  const p = JSON.parse(text) as Packed
  return {
    id: p[0],
    asked: p[1],
    routes: p[2].map(([model, provider, hostModel, ...prices]) => ({
      model,
      provider,
      hostModel,
      prices: unpackPrices(prices),
    })),
    digest: p[3],
    estimated: p[4],
    input: p[5],
    margin: parseAmount(p[6])!,
    maxOutput: p[7],
    choices: p[8],
    ceiling: parseAmount(p[9])!,
    amount: parseAmount(p[10])!,
    credit: parseAmount(p[11])!,
    payer: p[12] ?? undefined,
    chain: p[13],
    asset: p[14],
    payTo: p[15],
    expires: p[16],
    epoch: p[17],
    strategy: p[18],
    why: p[19],
  }
}

const packPrices = (prices: Prices): PackedPrices => {
  const tiers = prices.tiers?.map((tier): [number, string, string, string, string] => [
    tier.over,
    ...packRates(tier),
  ])
  const rates = packRates(prices)
  if (tiers?.length) return [...rates, tiers]
  return prices.cacheWrite === prices.input ? [rates[0], rates[1], rates[2]] : rates
}

const packRates = ({ input, output, cachedInput, cacheWrite }: Rates): [string, string, string, string] => [
  input.toString(),
  output.toString(),
  cachedInput.toString(),
  cacheWrite.toString(),
]

const unpackPrices = ([input, output, cached, written = input, tiers]: PackedPrices): Prices => ({
  ...unpackRates(input, output, cached, written),
  ...(tiers && {
    tiers: tiers.map(([over, ...rates]) => ({ over, ...unpackRates(...rates) })),
  }),
})

const unpackRates = (input: string, output: string, cached: string, written: string): Rates => ({
  input: rate(input),
  output: rate(output),
  cachedInput: rate(cached),
  cacheWrite: rate(written),
})

const rate = (text: string): Rate => parseAmount(text) as Rate

import { gzipSync } from 'node:zlib'
import type { Requirement } from '../../src/wire/payment.ts'
import { bent, mutated, mutatedText, nastyFor, writeJson } from './nasty.ts'
import type { Random } from './random.ts'
import type { Signed, Stock } from './stock.ts'

/** Headers that pay (or claim to) and the body that they are for. */
export type Paying = { headers: [string, string][]; body: object }

type Payload = Record<string, unknown> & {
  accepted?: { extra?: Record<string, unknown> } & Record<string, unknown>
  payload: Record<string, unknown>
}

const base64 = (value: unknown): string => Buffer.from(writeJson(value)).toString('base64')
const headerOf = ({ way }: Signed): string => (way === 'v1' ? 'X-PAYMENT' : 'PAYMENT-SIGNATURE')
const paying = (one: Signed, value: string): Paying => ({ headers: [[headerOf(one), value]], body: one.body })
const payloadOf = ({ payload }: Signed): Payload => structuredClone(payload) as Payload

/** Exactly valid, with a nonce of its own, from a payer without money. */
export const unfunded = async (random: Random, stock: Stock): Promise<Paying> => {
  const one = random.pick(stock.signed)
  return paying(one, base64(await stock.again(one)))
}

/** One field of the payload is something else. */
export const fieldChanged = (random: Random, stock: Stock): Paying => {
  const one = random.pick(stock.signed)
  const payload = payloadOf(one)
  // What the signature covers, three times out of four: the echoed offer is the larger part.
  if (random.chance(0.75))
    return paying(one, base64({ ...payload, payload: mutated(random, payload.payload) }))
  return paying(one, base64(mutated(random, payload)))
}

/** Another offer than the one that was made, truly signed: the amount, the token, the receiver, the time. */
export const otherSigned = async (random: Random, stock: Stock): Promise<Paying> => {
  const one = random.pick(stock.signed)
  const { offer } = one
  const amount = BigInt(offer.amount)
  const other = random.pick(stock.signed).offer
  const changes: Partial<Requirement>[] = [
    { amount: (amount + 1n).toString() },
    { amount: (amount - 1n).toString() },
    { amount: '0' },
    { amount: (2n ** 120n).toString() },
    { payTo: `0x${'22'.repeat(20)}` },
    { asset: other.asset },
    { network: 'eip155:1' },
    { maxTimeoutSeconds: random.pick([-1, 0, 3, 7, 86_390, 86_410, 2 ** 40]) },
    { extra: { ...offer.extra, name: 'Other Coin' } },
    { extra: { ...offer.extra, quote: other.extra.quote } as Requirement['extra'] },
    { extra: { ...offer.extra, facilitatorAddress: `0x${'33'.repeat(20)}` } },
    { extra: { ...offer.extra, receiverAuthorizer: `0x${'44'.repeat(20)}` } },
    { extra: { ...offer.extra, withdrawDelay: random.pick([0, 899, 900, 2 ** 31]) } },
  ]
  const payload = (await stock.again(one, random.pick(changes))) as Payload
  // As it was offered, so that only the signed part is wrong; or both alike.
  return paying(
    one,
    base64(random.chance(0.5) && payload.accepted ? { ...payload, accepted: offer } : payload),
  )
}

/** The payload of one way with the offer, the body or the header of another. */
export const crossed = (random: Random, stock: Stock): Paying => {
  const [one, two] = [random.pick(stock.signed), random.pick(stock.signed)]
  const [mine, other] = [payloadOf(one), payloadOf(two)]
  return random.pick<() => Paying>([
    () => paying(one, base64({ ...mine, payload: other.payload })),
    () => paying(one, base64({ ...mine, payload: { ...other.payload, ...mine.payload } })),
    () => paying(one, base64({ ...mine, accepted: other.accepted })),
    () => paying({ ...one, body: two.body }, base64(mine)),
    () => paying({ ...one, way: one.way === 'v1' ? 'upto' : 'v1' }, base64(mine)),
    () => ({
      headers: [
        ['PAYMENT-SIGNATURE', base64(mine)],
        ['X-PAYMENT', base64(other)],
      ],
      body: one.body,
    }),
    () => ({
      headers: [
        [headerOf(one), base64(mine)],
        [headerOf(one), base64(other)],
      ],
      body: one.body,
    }),
    () =>
      paying(one, base64({ ...mine, x402Version: random.pick([0, 1, 2, 3, '2', '1', null, 2.5, -2, [2]]) })),
    () => paying(one, base64({ ...mine, scheme: random.pick(['upto', 'exact', '', 'batch-settlement']) })),
  ])()
}

/** The seal of the quote is broken, cut, exchanged or put together from two. */
export const sealBroken = (random: Random, stock: Stock): Paying => {
  const one = random.pick(stock.signed.filter(({ way }) => way !== 'v1'))
  const payload = payloadOf(one)
  const extra = payload.accepted?.extra ?? {}
  const seal = String(extra['quote'])
  const parts = seal.split('.')
  const other = String(random.pick(stock.signed).offer.extra.quote)
  const at = random.int(seal.length)
  const flipped = String.fromCharCode(seal.charCodeAt(at) ^ (1 << random.int(7)))
  extra['quote'] = random.pick<() => unknown>([
    () => seal.slice(0, at) + flipped + seal.slice(at + 1),
    () => seal.slice(0, at) + flipped + seal.slice(at + 1),
    () => seal.slice(0, at),
    () => `${seal}.`,
    () => `${seal}=`,
    () => parts.map((part, i) => (i === random.int(4) ? '' : part)).join('.'),
    () => [...parts.slice(0, -1), other.split('.').at(-1)].join('.'),
    () => [parts[0], parts[1], Buffer.from('["x"]').toString('base64url'), parts[3]].join('.'),
    () => seal.replace('v1.', 'v2.'),
    () => seal.toUpperCase(),
    () => `${seal.slice(0, 8000)}${'A'.repeat(8200)}`,
    () => nastyFor(random, 'text'),
  ])()
  return paying(one, base64(payload))
}

/** What stands under `extensions` grows, or is not what its schema says. */
export const extended = (random: Random, stock: Stock): Paying => {
  const one = random.pick(stock.signed)
  const payload = payloadOf(one)
  const permit = payloadOf(stock.signed.find(({ way }) => way === 'permit')!)['extensions'] as object
  const id = random.pick([
    'a'.repeat(16),
    'a'.repeat(15),
    'a'.repeat(129),
    'é'.repeat(20),
    'call-of-fuzz-0001',
    '',
  ])
  const extensions = random.pick<() => unknown>([
    () => nastyFor(random, {}),
    () => ({ 'payment-identifier': { info: { required: false, id } } }),
    () => ({ 'payment-identifier': nastyFor(random, {}) }),
    () => mutated(random, permit),
    () => mutated(random, permit),
    () => ({ ...permit, erc20ApprovalGasSponsoring: Object.values(permit)[0] }),
    () => ({ erc20ApprovalGasSponsoring: approvalOf(random, Object.values(permit)[0]) }),
    () => Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x${i}`, { info: {}, schema: {} }])),
    () => ({ bazaar: { info: nastyFor(random, {}), schema: nastyFor(random, {}) } }),
    () => ({ 'offer-receipt': mutated(random, { info: { offers: [] }, schema: {} }) }),
  ])()
  return paying(one, base64({ ...payload, extensions }))
}

const approvalOf = (random: Random, permit: unknown): unknown => {
  const { info } = permit as { info: Record<string, unknown> }
  const { signature: _, ...rest } = info
  const raw = random.pick([
    `0x02f8${random.bytes(100).toString('hex')}`,
    `0x02${'c0'.repeat(60)}`,
    `0xf8ff${random.bytes(60).toString('hex')}`,
    `0xbf${'ff'.repeat(8)}`,
    '0x',
    `0x${'ff'.repeat(2048)}`,
  ])
  return { info: { ...rest, signedTransaction: raw } }
}

/** The document is as signed, its base64 or its text is not. */
export const encodedOtherwise = (random: Random, stock: Stock): Paying => {
  const one = random.pick(stock.signed)
  const text = writeJson(one.payload)
  const good = Buffer.from(text).toString('base64')
  const value = random.pick<() => string>([
    () => Buffer.from(text).toString('base64url'),
    () => good.replace(/=+$/, ''),
    () => `${good}=`,
    () => `${good.slice(0, -1)}!`,
    () => `${good.slice(0, 40)} ${good.slice(40)}`,
    () => `"${good}"`,
    () => Buffer.from(good).toString('base64'),
    () => encodeURIComponent(text),
    () => text.replace(/[^\x20-\x7e]/g, '?'),
    () => gzipSync(text).toString('base64'),
    () => good.slice(0, random.int(good.length)),
    () => bent(random, good).replace(/[^\x20-\x7e]/g, '.'),
    () => '',
    () => '=',
    () => `${good}, ${good}`,
    () => mutatedText(random, text).subarray(0, 20_000).toString('base64'),
    () => mutatedText(random, text).subarray(0, 20_000).toString('base64'),
    () => mutatedText(random, text).subarray(0, 20_000).toString('base64'),
    () => random.bytes(random.int(400)).toString('base64'),
  ])()
  return paying(one, value)
}

/** Signatures that have more than one spelling, or none. */
export const signatureBent = (random: Random, stock: Stock): Paying => {
  const one = random.pick(stock.signed)
  const payload = payloadOf(one)
  const holder = (payload.payload['voucher'] ?? payload.payload) as { signature: string }
  const good = holder.signature
  const [r, s, v] = [good.slice(2, 66), good.slice(66, 130), good.slice(130)]
  const high = (ORDER - BigInt(`0x${s}`)).toString(16).padStart(64, '0')
  const at = 2 + random.int(130)
  holder.signature = random.pick<() => string>([
    () => `0x${r}${s}${v === '1b' ? '1c' : '1b'}`,
    () => `0x${r}${s}${v === '1b' ? '00' : '01'}`,
    () => `0x${r}${high}${v === '1b' ? '1c' : '1b'}`,
    () => `0x${s}${r}${v}`,
    () => `0x${r}${s}`,
    () => `0x${r}${s}${v}${v}`,
    () => `0x${ORDER.toString(16)}${s}${v}`,
    () => `0x${'0'.repeat(64)}${s}${v}`,
    () => `0x${r}${'0'.repeat(64)}${v}`,
    () =>
      good.slice(0, at) + ((Number.parseInt(good.charAt(at), 16) + 1) % 16).toString(16) + good.slice(at + 1),
    () => `0x${random.bytes(random.pick([64, 65, 66, 100, 2048])).toString('hex')}`,
    () => good.toUpperCase().replace('0X', '0x'),
    () => `${good}${'6492'.repeat(16)}`,
  ])()
  return paying(one, base64(payload))
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** What another resource server would ask the facilitator: a payment and what it has to meet. */
export const relayed = async (random: Random, stock: Stock): Promise<object> => {
  const one = random.pick(stock.signed)
  const paymentPayload = random.chance(0.2) ? await stock.again(one) : one.payload
  const { scheme, network, amount, asset, payTo } = one.offer
  const whole = {
    x402Version: 2,
    paymentPayload,
    paymentRequirements: { scheme, network, amount, asset, payTo },
  }
  return (random.chance(0.85) ? mutated(random, whole) : whole) as object
}

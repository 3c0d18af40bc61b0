import type { LocalAccount } from 'viem'
import { keccak256, toHex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { Requirement } from '../../src/wire/payment.ts'
import { offersOf, post } from '../support/pay.ts'
import { everyField, everyTurn } from '../support/requests.ts'
import { signed, WAYS, type Way } from './signing.ts'

/** A payment as its payer signed it, for one body; nothing is wrong with it but that the payer has no money. */
export type Signed = { way: Way; body: object; offer: Requirement; payload: object }

/** What inputs are made from. Quotes last a minute or two, so it is filled anew now and then. */
export type Stock = {
  bodies: readonly object[]
  signed: readonly Signed[]
  offers: (body: object) => readonly Requirement[]
  payers: readonly LocalAccount[]
  /** A new signature for a payment of the stock. */
  again: (one: Signed, change?: Partial<Requirement>) => Promise<object>
  /** Signs a message of EIP-4361 for the account page, as its 401 asks for. */
  signIn: () => Promise<string>
}

const BODIES: readonly object[] = [
  { model: 'test/small', messages: [{ role: 'user', content: 'Say hello.' }], max_tokens: 50 },
  { model: 'test/small', messages: [{ role: 'user', content: 'Say hello.' }], stream: true, max_tokens: 20 },
  { ...everyField, max_completion_tokens: 40 },
  { model: 'test/large', messages: everyTurn, max_tokens: 10, provider: { sort: 'price' } },
  {
    model: 'auto',
    messages: [{ role: 'user', content: 'é 🙂' }],
    models: ['test/small', 'test/large'],
    max_tokens: 9,
  },
]

/** Asks the router for prices and signs them in every way. */
export const fillStock = async (url: string, seed: number): Promise<Stock> => {
  const payers = [0, 1, 2].map((i) => privateKeyToAccount(keccak256(toHex(`fuzz payer ${seed} ${i}`))))
  const chat = `${url}/v1/chat/completions`
  const offers = new Map<object, readonly Requirement[]>()
  const bodies: object[] = []
  const all: Signed[] = []
  for (const [i, body] of BODIES.entries()) {
    const asked = await post(chat, body)
    if (asked.status !== 402) throw new Error(`no price for body ${i}: ${asked.status} ${await asked.text()}`)
    const own = offersOf(asked)
    bodies.push(body)
    offers.set(body, own)
    for (const [j, way] of WAYS.entries()) {
      const fitting = own.filter((offer) => fits(way, offer))
      // A 402 leaves out what its header has no room for.
      if (fitting.length === 0) continue
      const offer = fitting[i % fitting.length]!
      all.push({ way, body, offer, payload: await signed(way, payers[(i + j) % payers.length]!, offer) })
    }
  }
  const missing = WAYS.filter((way) => !all.some((one) => one.way === way))
  if (missing.length > 0) throw new Error(`nothing is offered for ${missing.join(', ')}`)
  return {
    bodies,
    signed: all,
    offers: (body) => offers.get(body)!,
    payers,
    again: ({ way, offer }, change) => signed(way, payers[0]!, { ...offer, ...change }),
    signIn: () => signIn(url, payers[0]!),
  }
}

const fits = (way: Way, { scheme, extra }: Requirement): boolean => {
  const method = extra.assetTransferMethod ?? 'eip3009'
  if (way === 'eip3009' || way === 'v1') return scheme === 'exact' && method === 'eip3009'
  if (way === 'permit2') return scheme === 'exact' && method === 'permit2'
  if (way === 'upto') return scheme === 'upto'
  if (way === 'permit')
    return scheme !== 'batch-settlement' && method === 'permit2' && extra.name === 'USD Coin'
  if (way === 'deposit') return scheme === 'batch-settlement' && method === 'eip3009'
  if (way === 'permit2-deposit') return scheme === 'batch-settlement' && method === 'permit2'
  return scheme === 'batch-settlement'
}

type Challenge = {
  'sign-in-with-x': { info: Record<string, string>; supportedChains: { chainId: string }[] }
}

const signIn = async (url: string, account: LocalAccount): Promise<string> => {
  const { extensions } = (await (await fetch(`${url}/v1/account`)).json()) as { extensions: Challenge }
  const { info, supportedChains } = extensions['sign-in-with-x']
  const chainId = supportedChains[0]!.chainId
  const message = [
    `${info['domain']} wants you to sign in with your Ethereum account:`,
    account.address,
    '',
    info['statement'],
    '',
    `URI: ${info['uri']}`,
    'Version: 1',
    `Chain ID: ${chainId.split(':')[1]}`,
    `Nonce: ${info['nonce']}`,
    `Issued At: ${info['issuedAt']}`,
    `Expiration Time: ${info['expirationTime']}`,
    'Resources:',
    `- ${info['uri']}`,
  ].join('\n')
  const signature = await account.signMessage({ message })
  return JSON.stringify({ ...info, address: account.address, chainId, type: 'eip191', signature })
}

import { validateAndExtract } from '@x402/extensions/bazaar'
import {
  extractOffersFromPaymentRequired,
  extractReceiptFromResponse,
  findAcceptsObjectFromSignedOffer,
  isEIP712SignedOffer,
  isEIP712SignedReceipt,
  verifyOfferSignatureEIP712,
  verifyReceiptMatchesOffer,
  verifyReceiptSignatureEIP712,
} from '@x402/extensions/offer-receipt'
import { DiscoveryDocument, validate } from 'mppx/discovery'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NOBODY } from '../../src/accounts/caller.ts'
import type { Asset, ChainId, Hex } from '../../src/assets.ts'
import { HEADER_BUDGET } from '../../src/call/declare.ts'
import { demand } from '../../src/call/demand.ts'
import type { Deps } from '../../src/call/deps.ts'
import { addressOf } from '../../src/chain/signatures.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { NO_MONEY, parseUsd, type Usd } from '../../src/money.ts'
import { createNotary } from '../../src/payment/notary.ts'
import { createLearner } from '../../src/quote/learn.ts'
import type { PaymentWay, Till } from '../../src/quote/offers.ts'
import { createQuoter } from '../../src/quote/quote.ts'
import { createSealer } from '../../src/quote/seal.ts'

import { EIP2612_GAS_SPONSORING, ERC20_APPROVAL_GAS_SPONSORING } from '../../src/wire/extensions.ts'
import type { PaymentRequired, Requirement } from '../../src/wire/payment.ts'
import { catalogOf, model, orderOf, prices, routerOf } from '../support/models.ts'
import { header, offerOf, post, signOffer } from '../support/pay.ts'
import { hello, startWorld, type World } from '../support/world.ts'

const decoded = (text: string | null): PaymentRequired =>
  JSON.parse(Buffer.from(text ?? '', 'base64').toString())

describe('a router with every way to pay', () => {
  let world: World
  let payer: LocalAccount
  beforeAll(async () => {
    world = await startWorld({ x402: true, usdt: true })
    payer = await world.payer()
  })
  afterAll(() => world.close())
  const signer = () => world.farebox.deps.account.address
  /** What a 402 says in its header, and its signed offers: in the header where there is room for them, in the body always. */
  const asked = async () => {
    const answer = await post(world.chat, hello(), { 'x-farebox-sign': 'offers' })
    const required = decoded(answer.headers.get('payment-required'))
    const { extensions } = (await answer.json()) as Pick<PaymentRequired, 'extensions'>
    return { required, offers: extractOffersFromPaymentRequired({ ...required, extensions } as never) }
  }

  test('signs each of its offers, as the verifier of x402 says', async () => {
    const { required, offers } = await asked()
    expect(offers).toHaveLength(required.accepts.length)
    for (const offer of offers) {
      if (!isEIP712SignedOffer(offer)) throw new Error('not EIP-712')
      const verified = await verifyOfferSignatureEIP712(offer)
      expect(verified.signer.toLowerCase()).toBe(signer())
      expect(findAcceptsObjectFromSignedOffer(offer, required.accepts as never)).toBe(
        required.accepts[offer.acceptIndex!],
      )
      const left = verified.payload.validUntil! - Date.now() / 1000
      expect(left).toBeGreaterThan(60)
      expect(left).toBeLessThanOrEqual(90)
    }
  })

  test('signs a receipt that belongs to the offer, as the verifier of x402 says', async () => {
    const { required, offers } = await asked()
    const accepted = offerOf(required.accepts, 'exact', { method: 'eip3009' })
    const payment = { ...(await signOffer(payer, accepted)), extensions: required.extensions }
    const answer = await post(world.chat, hello(), { 'payment-signature': header(payment) })
    expect(answer.status).toBe(200)
    const receipt = extractReceiptFromResponse(answer)!
    if (!isEIP712SignedReceipt(receipt)) throw new Error('not EIP-712')
    expect((await verifyReceiptSignatureEIP712(receipt)).signer.toLowerCase()).toBe(signer())
    const paid = offers[required.accepts.indexOf(accepted)]!
    if (!isEIP712SignedOffer(paid)) throw new Error('not EIP-712')
    const offer = { ...paid.payload, signedOffer: paid, format: 'eip712' } as never
    expect(verifyReceiptMatchesOffer(receipt, offer, [payer.address])).toBe(true)
    expect(verifyReceiptMatchesOffer(receipt, offer, [signer()])).toBe(false)
  })

  test('tells catalogues how it is called', async () => {
    const answer = await post(world.chat, hello())
    const { extensions } = (await answer.json()) as { extensions: Record<string, never> }
    expect(validateAndExtract(extensions['bazaar']!)).toMatchObject({
      valid: true,
      info: { input: { type: 'http', method: 'POST', bodyType: 'json', body: { model: 'test/small' } } },
    })
    expect(Object.keys(extensions)).toEqual(
      expect.arrayContaining(['payment-identifier', 'offer-receipt', 'eip2612GasSponsoring']),
    )
  })

  test('says on one page what can be paid with, how, within which limits, and who signs', async () => {
    const page = (await (await fetch(`${world.farebox.url}/.well-known/x402`)).json()) as Record<
      string,
      unknown
    >
    expect(page).toMatchObject({
      x402Version: 2,
      receiptSigner: signer(),
      facilitatorAddress: signer(),
      networks: ['eip155:84532'],
      resources: [
        { method: 'POST', path: '/v1/chat/completions', url: world.chat },
        { method: 'POST', path: '/v1/messages' },
        { method: 'POST', path: '/v1/responses' },
        { method: 'POST', path: '/v1/embeddings' },
      ],
      extensions: expect.arrayContaining(['payment-identifier', 'bazaar', 'offer-receipt']),
      headers: { network: 'X-Farebox-Network', name: 'Idempotency-Key', signIn: 'SIGN-IN-WITH-X' },
      limits: {
        bodyBytes: 4 << 20,
        maxTimeoutSeconds: 300,
        settlesFirstAboveUsd: '0.05',
        unpaidPerPayerUsd: '1',
      },
      docs: { openapi: `${world.farebox.url}/openapi.json` },
    })
    const ways = (
      page['accepts'] as { scheme: string; symbol: string; extra: { assetTransferMethod: string } }[]
    )
      .map(({ scheme, symbol, extra }) => `${symbol} ${scheme} ${extra.assetTransferMethod}`)
      .toSorted()
    expect(ways).toEqual([
      'USDC batch-settlement eip3009',
      'USDC exact eip3009',
      'USDC exact permit2',
      'USDC upto permit2',
      'USDT batch-settlement permit2',
      'USDT exact permit2',
      'USDT upto permit2',
    ])
    for (const url of Object.values(page['docs'] as Record<string, string>))
      expect((await fetch(url)).status).toBe(200)
  })

  test('describes its price in OpenAPI as payment catalogues read it', async () => {
    type Paths = Record<string, Record<string, Record<string, unknown>>>
    const document = (await (await fetch(`${world.farebox.url}/openapi.json`)).json()) as { paths: Paths }
    expect(DiscoveryDocument.safeParse(document).success).toBe(true)
    expect(validate(document)).toEqual([])
    expect(document.paths['/v1/chat/completions']!['post']!['x-payment-info']).toBeDefined()
    expect(document.paths['/v1/models']!['get']!['x-payment-info']).toBeUndefined()
  })

  test('offers one network only to who asks for it, and refuses a network that it does not know', async () => {
    const mine = await post(world.chat, hello(), { 'x-farebox-network': 'eip155:84532' })
    expect(decoded(mine.headers.get('payment-required')).accepts.length).toBeGreaterThan(0)
    for (const path of ['/v1/chat/completions', '/v1/quote']) {
      const refused = await post(`${world.farebox.url}${path}`, hello(), { 'x-farebox-network': 'eip155:1' })
      expect([refused.status, ((await refused.json()) as { error: { param: string } }).error.param]).toEqual([
        400,
        'X-Farebox-Network',
      ])
    }
  })
})

describe('PAYMENT-REQUIRED', () => {
  const key = new Uint8Array(32).fill(7)
  const account = { key, address: addressOf(key) }
  const WAYS: Record<string, PaymentWay[]> = {
    USDC: [
      { scheme: 'batch-settlement', method: 'eip3009' },
      { scheme: 'upto', method: 'permit2' },
      { scheme: 'exact', method: 'eip3009' },
      { scheme: 'exact', method: 'permit2' },
    ],
    USDT: [
      { scheme: 'batch-settlement', method: 'permit2' },
      { scheme: 'upto', method: 'permit2' },
      { scheme: 'exact', method: 'permit2' },
    ],
  }
  const till = (chain: ChainId, symbol: string, i: number): Till => ({
    asset: {
      chain,
      symbol,
      address: `0x${String(i).repeat(40)}` as Hex,
      decimals: 6,
      name: 'USD Coin',
      version: '2',
      methods: ['eip3009', 'permit2'],
      eip2612: symbol === 'USDC',
    } satisfies Asset,
    payTo: `0x${'1a'.repeat(20)}`,
    ways: WAYS[symbol]!,
  })

  /** What is needed to ask for a payment: chains × (USDC, USDT) × every way, and so many routes in the seal. */
  const depsOf = async (chains: readonly ChainId[], hosts: number): Promise<Deps> => {
    const host = (i: number) => ({
      provider: `provider-number-${i}`,
      model: `a-long-model-name-of-host-${i}`,
      prices: prices('1', '2', '0.5'),
    })
    const catalog = catalogOf(model('a/small', { hosts: Array.from({ length: hosts }, (_, i) => host(i)) }))
    const quoter = createQuoter({
      catalog,
      router: routerOf(catalog),
      learner: createLearner(),
      clock,
      margin: 50_000n,
      defaultMaxOutput: 1000,
      ttl: 90,
    })
    const publicUrl = 'https://router.example.com'
    return {
      quoter,
      publicUrl,
      offers: {
        tills: chains.flatMap((chain, i) => [till(chain, 'USDC', i * 2), till(chain, 'USDT', i * 2 + 1)]),
        sealer: await createSealer(['a-quote-secret-that-is-long-enough-for-tests']),
        epoch: 1_700_000_000,
        maxTimeout: 300,
        signer: account.address,
        withdrawDelay: 86_400,
        onTrust: parseUsd('10') as Usd,
        least: () => 0n,
        small: 'fold',
      },
      sponsor: { declarations: { ...EIP2612_GAS_SPONSORING, ...ERC20_APPROVAL_GAS_SPONSORING } },
      notary: createNotary({ account, resource: `${publicUrl}/v1/chat/completions`, clock }),
      ledger: { balance: async () => NO_MONEY },
    } as unknown as Deps
  }
  const ask = async (chains: readonly ChainId[], hosts = 1, network?: ChainId, signed = true) => {
    const deps = await depsOf(chains, hosts)
    const visit = { order: orderOf(), payer: undefined, caller: NOBODY, network, signed }
    const reply = await demand(deps, visit, 'payment_required')
    const text = reply.headers['PAYMENT-REQUIRED']!
    const required = decoded(text)
    const body = JSON.parse(reply.body as string) as {
      extensions: Record<string, { info: { offers: unknown[] } }>
      left_out?: { why: string; offers: Pick<Requirement, 'scheme' | 'network'>[] }
      quote: { offers: unknown[] }
    }
    return { size: text.length, required, body }
  }
  const THREE: ChainId[] = ['eip155:8453', 'eip155:1', 'eip155:42161']
  const shown = ({ accepts }: PaymentRequired) =>
    accepts.map((one) => `${one.network} ${one.scheme} ${one.extra.assetTransferMethod ?? 'eip3009'}`)

  test.each([1, 2, 3, 6])(
    'stays within its budget with %i routes in each quote, whatever is configured',
    async (hosts) => {
      for (const chains of [THREE.slice(0, 1), THREE.slice(0, 2), THREE]) {
        const { size, required, body } = await ask(chains, hosts)
        expect(size).toBeLessThanOrEqual(HEADER_BUDGET)
        expect(required.accepts.length).toBeGreaterThan(0)
        // Nothing is dropped silently.
        const left = body.left_out?.offers.length ?? 0
        expect(required.accepts.length + left).toBe(body.quote.offers.length)
        expect(Object.keys(body.extensions)).toEqual(expect.arrayContaining(['bazaar', 'offer-receipt']))
        expect(body.extensions['offer-receipt']!.info.offers).toHaveLength(required.accepts.length)
        expect(required.extensions).toHaveProperty('payment-identifier')
        expect(required.extensions).toHaveProperty('eip2612GasSponsoring')
      }
    },
  )

  test('keeps what most can pay: later chains go first, and what another offer makes needless before them', async () => {
    const { required, body } = await ask(THREE)
    const all = shown(required)
    expect(all).toContain('eip155:8453 exact eip3009')
    expect(all).toContain('eip155:8453 upto permit2')
    // In the order that clients choose by.
    expect(required.accepts.map((one) => one.scheme)).toEqual(
      required.accepts.map((one) => one.scheme).toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)),
    )
    const usdc = required.accepts.filter((one) => one.asset.startsWith('0x0') && one.scheme === 'exact')
    expect(usdc.map((one) => one.extra.assetTransferMethod ?? 'eip3009')).toEqual(['eip3009'])
    expect(body.left_out!.why).toContain('X-Farebox-Network')
    expect(body.left_out!.offers.some((one) => one.network === 'eip155:42161')).toBe(true)
  })

  test('holds the signed offers and the description too, where there is room for them', async () => {
    const deps = await depsOf(THREE.slice(0, 1), 1)
    const few = { ...deps.offers, tills: [{ ...deps.offers.tills[0]!, ways: [WAYS['USDC']![2]!] }] }
    const reply = await demand(
      { ...deps, offers: few },
      { order: orderOf(), payer: undefined, caller: NOBODY, signed: true },
      'payment_required',
    )
    const { extensions } = decoded(reply.headers['PAYMENT-REQUIRED']!)
    expect(extensions).toEqual((JSON.parse(reply.body as string) as PaymentRequired).extensions)
    expect(extensions).toHaveProperty('bazaar')
    expect(extensions).toHaveProperty('offer-receipt')
  })

  test('goes without signed offers in a storm of requests, and has them again a second later', async () => {
    let now = 1_700_000_000_000
    const still = { ...clock, now: () => now }
    const notary = createNotary({
      account,
      resource: 'https://router.example.com/v1/chat/completions',
      clock: still,
    })
    const deps = { ...(await depsOf(THREE.slice(0, 1), 1)), notary }
    const signed = async () => {
      const visit = { order: orderOf(), payer: undefined, caller: NOBODY, signed: true }
      const { extensions } = JSON.parse((await demand(deps, visit, 'payment_required')).body as string)
      return extensions['offer-receipt'].info.offers.length > 0
    }
    for (let i = 0; i < 142; i++) expect(await signed()).toBe(true)
    expect(await signed()).toBe(false)
    now += 1_000
    expect(await signed()).toBe(true)
  })

  test('signs no offers for who does not ask, and says how to ask', async () => {
    const { required, body } = await ask(THREE.slice(0, 1), 1, undefined, false)
    const info = { offers: [], ask: 'X-Farebox-Sign: offers' }
    expect(body.extensions['offer-receipt']!.info).toEqual(info)
    expect(required.extensions!['offer-receipt']).toMatchObject({ info })
    expect(extractOffersFromPaymentRequired(required as never)).toEqual([])
  })

  test('of one network holds all that this network offers', async () => {
    const { required } = await ask(THREE, 1, 'eip155:42161')
    expect(new Set(required.accepts.map((one) => one.network))).toEqual(new Set(['eip155:42161']))
    expect(required.accepts).toHaveLength(7)
  })
})

const ORDER = ['batch-settlement', 'upto', 'exact']

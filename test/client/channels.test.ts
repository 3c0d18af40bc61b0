import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { computeChannelId } from '@x402/evm/batch-settlement/client'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  AnswerLost,
  type ChannelOptions,
  fileChannels,
  PaymentRefused,
  PaymentUnresolved,
} from '../../src/client/index.ts'
import { systemClock } from '../../src/clock.ts'
import { body, newBuyer } from './buyer.ts'
import { channelOffer, channelRouter, PRICE, stateOf } from './channel-router.ts'
import {
  answer,
  CALL,
  CHAIN,
  demand,
  offer,
  PAY_TO,
  type Router,
  refuse,
  SIGNER,
  startRouter,
} from './router.ts'

const OTHER = '0x00000000000000000000000000000000000000ee'
let router: Router
let dir: string
beforeAll(async () => {
  router = await startRouter()
  dir = mkdtempSync(join(tmpdir(), 'farebox-channels-'))
})
beforeEach(() => {
  router.seen.length = 0
})
afterAll(async () => {
  rmSync(dir, { recursive: true })
  await router.close()
})

const channelBuyer = (channels: Partial<ChannelOptions> = {}, more: Parameters<typeof newBuyer>[0] = {}) =>
  newBuyer({ channels: { deposit: '1.00', ...channels }, ...more })
const shown = () => router.paid().map(({ paid }) => paid!.payload)
const types = () => shown().map(({ type }) => type)
const vouchers = () => shown().map(({ voucher }) => voucher.maxClaimableAmount)
const ok = async (pay: ReturnType<typeof newBuyer>['pay'], text?: string) =>
  expect((await pay(router.chat, body(text))).status).toBe(200)

test('one deposit pays for many calls, and only their charges count as spent', async () => {
  router.script(channelRouter().script)
  const { pay, events } = channelBuyer()
  for (const text of ['a', 'b', 'c']) await ok(pay, text)
  expect(types()).toEqual(['deposit', 'voucher', 'voucher'])
  expect(vouchers()).toEqual(['10000', '10014', '10028'])
  expect(shown()[0]?.deposit?.amount).toBe('1000000')
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 42n, charged: 42n, lastHour: 42n })
  expect(await pay.channels()).toMatchObject([
    { balance: 1_000_000n, charged: 42n, signed: 10_028n, open: 0n, pending: 0n, state: 'open' },
  ])
  expect(pay.lastReceipt).toMatchObject({ ok: true, problems: [] })
  expect(events.filter(({ type }) => type === 'signed')).toHaveLength(3)
})

test('the channel, its voucher and its deposit are what the official client would sign', async () => {
  router.script(channelRouter().script)
  const { pay, wallet } = channelBuyer()
  await ok(pay)
  const { channelConfig, voucher, deposit } = shown()[0]!
  expect(channelConfig).toEqual({
    payer: wallet.address.toLowerCase(),
    payerAuthorizer: wallet.address.toLowerCase(),
    receiver: PAY_TO,
    receiverAuthorizer: SIGNER,
    token: offer().asset,
    withdrawDelay: 86_400,
    salt: `0x${'0'.repeat(64)}`,
  })
  expect(voucher.channelId).toBe(computeChannelId(channelConfig, CHAIN))
  expect(Object.keys(deposit!.authorization)).toEqual(['erc3009Authorization'])
  expect(Object.keys(deposit!.authorization['erc3009Authorization']!).sort()).toEqual([
    'salt',
    'signature',
    'validAfter',
    'validBefore',
  ])
})

test('calls at once use a channel each, up to the most, and the rest wait for one', async () => {
  let open = 0
  let most = 0
  const { script, kept } = channelRouter(async () => {
    most = Math.max(most, ++open)
    await new Promise((resolve) => setTimeout(resolve, 20))
    open--
  })
  router.script(script)
  const { pay } = channelBuyer({ most: 3 }, { clock: systemClock })
  await Promise.all(Array.from({ length: 9 }, (_, i) => ok(pay, String(i))))
  expect(kept.size).toBe(3)
  expect(most).toBeLessThanOrEqual(3)
  expect(types().filter((type) => type === 'deposit')).toHaveLength(3)
  expect(pay.spending().spent).toBe(9n * PRICE)
})

test('a channel that runs short is topped up in the same call', async () => {
  router.script(channelRouter().script)
  const { pay } = channelBuyer({ deposit: '0.010014', maxDeposits: '1' })
  for (const text of ['a', 'b', 'c']) await ok(pay, text)
  expect(types()).toEqual(['deposit', 'voucher', 'deposit'])
  expect(vouchers()).toEqual(['10000', '10014', '10028'])
})

test('a client that lost count, or starts anew, goes on where its own voucher proves that the channel stands', async () => {
  const { script, kept } = channelRouter()
  router.script(script)
  const { pay, wallet } = channelBuyer()
  await ok(pay)
  const anew = channelBuyer({}, { wallet })
  await ok(anew.pay)
  expect(router.paid().map(({ paid }) => paid?.accepted.scheme)).toEqual(Array(3).fill('batch-settlement'))
  expect(types()).toEqual(['deposit', 'deposit', 'voucher'])
  expect([...kept.values()]).toMatchObject([{ balance: 1_000_000n, charged: 28n }])
  expect(anew.pay.spending().spent).toBe(PRICE)
})

test('a file keeps channels over a restart', async () => {
  router.script(channelRouter().script)
  const path = join(dir, 'channels.json')
  const { pay, wallet } = channelBuyer({ store: fileChannels(path) })
  await ok(pay)
  await expect.poll(() => readFileSync(path, 'utf8')).toContain('"charged":"14"')
  await ok(channelBuyer({ store: fileChannels(path) }, { wallet }).pay)
  expect(types()).toEqual(['deposit', 'voucher'])
  expect(readFileSync(path, 'utf8')).not.toContain(`0x${'f'.repeat(64)}`)
  writeFileSync(path, '{"version":9}')
  await expect(
    channelBuyer({ store: fileChannels(path) }, { wallet }).pay(router.chat, body()),
  ).rejects.toThrow('not a file of channels')
})

test('what was signed stands in the file before it is shown', async () => {
  const path = join(dir, 'before.json')
  const stored: unknown[] = []
  router.script(
    channelRouter(() => {
      stored.push(JSON.parse(readFileSync(path, 'utf8')).channels[0])
    }).script,
  )
  await ok(channelBuyer({ store: fileChannels(path) }).pay)
  expect(stored).toMatchObject([{ signed: '10000', open: '10000', pending: '1000000', balance: '0' }])
})

test('refund gives back what is left, and it goes on counting as deposited while no chain shows that it came', async () => {
  const { script, kept } = channelRouter()
  router.script(script)
  const { pay } = channelBuyer({ maxDeposits: '1.50' })
  await ok(pay)
  expect(await pay.refund()).toMatchObject([{ ok: true, amount: 999_986n }])
  const refund = shown().at(-1)!
  expect([refund.type, refund.voucher.maxClaimableAmount, router.paid().at(-1)?.method]).toEqual([
    'refund',
    '14',
    'GET',
  ])
  expect([...kept.values()]).toMatchObject([{ balance: 14n, charged: 14n }])
  // The channel is empty and another deposit would pass the limit: the call goes by exact.
  await ok(pay, 'later')
  expect(router.paid().at(-1)?.paid?.accepted.scheme).toBe('exact')
})

test('a lost voucher is shown again as it is, and a lost answer is not bought twice', async () => {
  const { script } = channelRouter((ask) => {
    if (router.paid().length > 1) return undefined
    ask.response.destroy()
    return 'cut'
  })
  router.script((ask, count) =>
    count > 1 ? refuse(ask, 'payment_already_used', { 'x-farebox-call': CALL }) : script(ask, count),
  )
  const { pay } = channelBuyer()
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(AnswerLost)
  expect(new Set(router.paid().map(({ paid }) => paid?.header)).size).toBe(1)
  expect(new Set(router.paid().map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  router.script(script)
  await ok(pay, 'another call')
  expect(types().slice(-2)).toEqual(['voucher', 'voucher'])
  expect((await pay.channels())[0]).toMatchObject({ balance: 1_000_000n, charged: 28n })
})

test('a deposit in doubt is not signed again for the next call', async () => {
  const { script } = channelRouter()
  router.script((ask) => (ask.paid ? ask.response.destroy() : demand(ask, [channelOffer()])))
  const { pay } = channelBuyer()
  await expect(pay(router.chat, body())).rejects.toBeInstanceOf(PaymentUnresolved)
  router.script(script)
  // The router never saw the deposit and says so; only then another is signed.
  await ok(pay, 'another call')
  expect(types().slice(-2)).toEqual(['voucher', 'deposit'])
})

test('what has been signed for channels never passes maxDeposits, whatever becomes of it', async () => {
  router.script((ask) => (ask.paid ? refuse(ask, 'deposit_too_small') : demand(ask, [channelOffer()])))
  const { pay } = channelBuyer({ maxDeposits: '2' })
  const codes: unknown[] = []
  for (let i = 0; i < 4; i++)
    codes.push(
      await pay(router.chat, body(String(i))).then(
        ({ status }) => status,
        ({ code }) => code,
      ),
    )
  expect(codes).toEqual([402, 402, 'deposit_limit', 'deposit_limit'])
  expect(types()).toEqual(['deposit', 'deposit'])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 0n })
})

const lies: [string, (id: `0x${string}`, signature: `0x${string}`) => object][] = [
  [
    'charges more than was ever signed for',
    (id, signature) => stateOf(id, { balance: 1_000_000n, charged: 900_000n, max: 10_000n, signature }),
  ],
  [
    'charges more for a call than its answer said',
    (id, signature) => stateOf(id, { balance: 1_000_000n, charged: 5_000n, max: 10_000n, signature }),
  ],
  [
    'shows a voucher that we never signed',
    (id) =>
      stateOf(id, {
        balance: 1_000_000n,
        charged: 5_000n,
        max: 900_000n,
        signature: `0x${'11'.repeat(64)}1b`,
      }),
  ],
  [
    'charges without a voucher',
    (id) => stateOf(id, { balance: 1_000_000n, charged: 5_000n, max: 0n, signature: '0x' }),
  ],
  [
    'knows nothing of the deposit that it took',
    (id) => stateOf(id, { balance: 0n, charged: 0n, max: 0n, signature: '0x' }),
  ],
]
test.each(lies)('a router that %s gets no voucher and no deposit more', async (_, lie) => {
  const { script } = channelRouter()
  router.script(script)
  const { pay } = channelBuyer()
  await ok(pay)
  const { channelId, signature } = shown()[0]!.voucher
  router.script((ask) => demand(ask, [channelOffer(lie(channelId, signature))], 'channel_mismatch'))
  expect((await pay(router.chat, body('b'))).status).toBe(402)
  await expect(pay(router.chat, body('c'))).rejects.toMatchObject({ code: 'channel_disputed' })
  expect(vouchers()).toEqual(['10000', '10014'])
  expect(types()).toEqual(['deposit', 'voucher'])
  expect(await pay.channels()).toMatchObject([{ state: 'disputed', charged: 14n }])
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 14n })
})

test('while a channel is in dispute, calls are paid by another way that is offered', async () => {
  const { script } = channelRouter()
  router.script(script)
  const { pay } = channelBuyer()
  await ok(pay)
  const { channelId, signature } = shown()[0]!.voucher
  const lie = stateOf(channelId, { balance: 1_000_000n, charged: 5_000n, max: 10_000n, signature })
  router.script((ask) =>
    ask.paid?.accepted.scheme === 'exact'
      ? answer(ask)
      : demand(ask, [channelOffer(lie), offer()], 'channel_mismatch'),
  )
  await ok(pay, 'b')
  await ok(pay, 'c')
  expect(router.paid().map(({ paid }) => paid?.accepted.scheme)).toEqual([
    'batch-settlement',
    'batch-settlement',
    'exact',
    'exact',
  ])
})

test('a router that repeats its correction for ever gets two signatures and no more', async () => {
  const { script } = channelRouter()
  router.script(script)
  const { pay } = channelBuyer()
  await ok(pay)
  const { channelId, signature } = shown()[0]!.voucher
  let balance = 1_000_000n
  router.script((ask) => {
    const state = stateOf(channelId, { balance: ++balance, charged: 14n, max: 10_000n, signature })
    return demand(ask, [channelOffer(state)], 'channel_mismatch')
  })
  router.seen.length = 0
  expect((await pay(router.chat, body('b'))).status).toBe(402)
  expect(router.paid()).toHaveLength(2)
  expect(pay.spending()).toMatchObject({ reserved: 0n, spent: 14n })
})

test('an answer that charges more than was signed for is told of, counted in full, and the last of its channel', async () => {
  router.script((ask) =>
    ask.paid
      ? answer(ask, { signed: '14', credited: '0' }, undefined, { chargedAmount: '10001' })
      : demand(ask, [channelOffer()]),
  )
  const { pay } = channelBuyer()
  await ok(pay)
  expect(pay.lastReceipt).toMatchObject({ ok: false })
  expect(pay.lastReceipt?.problems.join()).toContain('10001')
  expect(pay.spending().spent).toBe(10_000n)
  await expect(pay(router.chat, body('b'))).rejects.toMatchObject({ code: 'channel_disputed' })
})

test.each([
  ['another claims it', channelOffer({ receiverAuthorizer: OTHER }), 'facilitator_not_allowed'],
  ['it asks for a larger deposit', channelOffer({ minDeposit: '1000001' }), 'channel_terms_refused'],
  ['it ties the deposit up for a month', channelOffer({ withdrawDelay: 2_592_000 }), 'channel_terms_refused'],
  ['a call costs more than the limit', channelOffer({}, { amount: '100001' }), 'above_call_limit'],
])('a channel is not opened when %s', async (_, strange, code) => {
  router.script((ask) => demand(ask, [strange]))
  const error = await channelBuyer()
    .pay(router.chat, body())
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(PaymentRefused)
  expect(error).toMatchObject({ code })
  expect(router.paid()).toHaveLength(0)
})

test('a router that pays into another pocket meanwhile gets a channel of its own, with nothing of the old one in it', async () => {
  const { script } = channelRouter()
  router.script(script)
  const { pay } = channelBuyer()
  await ok(pay)
  router.script((ask, count) =>
    ask.paid ? script(ask, count) : demand(ask, [channelOffer({}, { payTo: OTHER })]),
  )
  await ok(pay, 'b')
  expect(types()).toEqual(['deposit', 'deposit'])
  expect(vouchers()).toEqual(['10000', '10000'])
})

test('a channel settled by another than the one who signed the receipts so far is not opened', async () => {
  router.script(channelRouter().script)
  const { pay } = channelBuyer()
  await ok(pay)
  router.script((ask) => demand(ask, [channelOffer({ receiverAuthorizer: OTHER, signer: OTHER })]))
  await expect(pay(router.chat, body('b'))).rejects.toMatchObject({ code: 'signer_changed' })
})

test('a huge validity is cut to an hour', async () => {
  const { script } = channelRouter()
  router.script((ask, count) =>
    ask.paid ? script(ask, count) : demand(ask, [channelOffer({}, { maxTimeoutSeconds: 10_000_000 })]),
  )
  await ok(channelBuyer().pay)
  const until = Number(shown()[0]!.deposit!.authorization['erc3009Authorization']!['validBefore'])
  expect(until - Date.now() / 1000).toBeLessThan(3_601)
})

test('a server without receipts is believed in what a call cost, as far as its vouchers allow', async () => {
  router.script(async (ask) => {
    if (!ask.paid)
      return demand(ask, [{ ...channelOffer(), extra: { ...channelOffer().extra, signer: undefined } }])
    const told = btoa(
      JSON.stringify({ success: true, transaction: '', network: CHAIN, extra: { chargedAmount: '9' } }),
    )
    ask.response.writeHead(200, { 'payment-response': told }).end('served')
  })
  const { pay } = channelBuyer({}, { policy: { facilitators: [SIGNER] } })
  await ok(pay)
  expect(pay.spending().spent).toBe(9n)
  expect(await pay.channels()).toMatchObject([{ charged: 9n, state: 'open' }])
})

test('without the option nothing is deposited', async () => {
  router.script(channelRouter().script)
  const { pay } = newBuyer()
  await ok(pay)
  expect(router.paid()[0]?.paid?.accepted.scheme).toBe('exact')
  expect([await pay.channels(), await pay.refund()]).toEqual([[], []])
})

test('a call that finds every channel in use for too long goes another way', async () => {
  let finish = () => {}
  const held = new Promise<void>((resolve) => {
    finish = resolve
  })
  router.script(channelRouter(() => held).script)
  const { pay } = channelBuyer({ most: 1 })
  const first = pay(router.chat, body('a'))
  await expect.poll(() => router.paid().length).toBe(1)
  await ok(pay, 'b')
  finish()
  expect((await first).status).toBe(200)
  expect(router.paid().map(({ paid }) => paid?.accepted.scheme)).toEqual(['batch-settlement', 'exact'])
})

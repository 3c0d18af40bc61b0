import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.ts'
import { quietLog } from '../../src/log.ts'
import { startFarebox } from '../../src/main.ts'
import type { Usd } from '../../src/money.ts'
import { costingNothing } from '../support/refused.ts'
import { goodAnswer } from '../support/upstream.ts'
import { hello, startWorld, type World } from '../support/world.ts'
import {
  ask,
  CHARGE,
  channelBuyer,
  channelOf,
  channelOffer,
  channelsOf,
  depositOf,
  pay,
  refusalOf,
  type Signed,
  soundBooks,
  voucherOf,
} from './channel-world.ts'

let world: World
let ahead = 0
const clock: Clock = { now: () => Date.now() + ahead, sleep: systemClock.sleep }
beforeAll(async () => {
  world = await startWorld({
    x402: true,
    extra:
      'channels: { withdrawDelaySeconds: 1000, claimAbove: "1", claimAfterSeconds: 3600 }\nsettler: { delegate: never }',
    options: { clock },
  })
})
afterAll(() => world?.close())
beforeEach(() => world.upstream.script(goodAnswer))
afterEach(async () => {
  await world.settle()
  await soundBooks(world)
})

/** A payer with a channel that one call was paid from. */
const opened = async () => {
  const buyer = channelBuyer(world, await world.payer())
  expect((await buyer.fetch(world.chat, ask(hello()))).status).toBe(200)
  return buyer.account
}
const refused = async (payment: () => Promise<unknown>) => {
  const made = await payment()
  return costingNothing(world, async () => refusalOf(await pay(world.chat, made, hello())))
}
const claimNow = async () => {
  ahead = 3_700_000
  await world.farebox.keeper.tick('now')
  await world.settle()
  ahead = 0
}
const STRANGER = '0x9999999999999999999999999999999999999999' as const

test.each<[string, Partial<Signed>, string, string | undefined]>([
  ['another receiver', { config: { receiver: STRANGER } }, 'channel_config_mismatch', 'receiver_mismatch'],
  [
    'another authorizer',
    { config: { receiverAuthorizer: STRANGER } },
    'channel_config_mismatch',
    'receiver_authorizer_mismatch',
  ],
  ['another token', { config: { token: STRANGER } }, 'channel_config_mismatch', 'token_mismatch'],
  [
    'a delay too short to claim in',
    { config: { withdrawDelay: 999 } },
    'channel_config_mismatch',
    'withdraw_delay_out_of_range',
  ],
  [
    'a delay longer than the contract takes',
    { config: { withdrawDelay: 2_592_001 } },
    'channel_config_mismatch',
    'withdraw_delay_out_of_range',
  ],
  [
    'no authorizer',
    { config: { payerAuthorizer: `0x${'0'.repeat(40)}` } },
    'channel_config_mismatch',
    'channel_id_mismatch',
  ],
  [
    'no payer',
    { config: { payer: `0x${'0'.repeat(40)}` } },
    'channel_config_mismatch',
    'channel_id_mismatch',
  ],
  [
    'the id of another channel',
    { channelId: `0x${'ab'.repeat(32)}` },
    'channel_config_mismatch',
    'channel_id_mismatch',
  ],
  [
    'a stranger’s signature',
    { signer: privateKeyToAccount(generatePrivateKey()) },
    'voucher_signature_invalid',
    'voucher_signature',
  ],
])('a voucher with %s pays for nothing', async (_, change, code, x402) => {
  const account = await opened()
  const offer = await channelOffer(world.chat, hello())
  const told = await refused(() =>
    voucherOf(account, offer, { cumulative: CHARGE + BigInt(offer.amount), ...change }),
  )
  expect([told.status, told.code, told.x402]).toEqual([402, code, `invalid_batch_settlement_evm_${x402}`])
})

test('a voucher is for what was charged and this call, to the unit: not less, and not more either', async () => {
  const account = await opened()
  const offer = await channelOffer(world.chat, hello())
  const right = CHARGE + BigInt(offer.amount)
  for (const cumulative of [
    right - 1n,
    right + 1n,
    BigInt(offer.amount),
    right + BigInt(offer.amount),
    10_000n,
  ]) {
    const told = await refused(() => voucherOf(account, offer, { cumulative }))
    expect(told).toMatchObject({
      status: 402,
      code: 'channel_mismatch',
      x402: 'invalid_batch_settlement_evm_cumulative_amount_mismatch',
      first: {
        scheme: 'batch-settlement',
        extra: {
          channelState: { chargedCumulativeAmount: '14' },
          voucherState: { signedMaxClaimable: '124' },
        },
      },
    })
  }
})

test('a voucher for less than was claimed already is told so by the name that clients know', async () => {
  const account = await opened()
  await claimNow()
  expect(await channelOf(world, account)).toMatchObject({ claimed: CHARGE })
  const offer = await channelOffer(world.chat, hello())
  const told = await refused(() => voucherOf(account, offer, { cumulative: CHARGE - 1n }))
  expect(told).toMatchObject({
    code: 'channel_below_claimed',
    x402: 'invalid_batch_settlement_evm_cumulative_below_claimed',
  })
})

test('one voucher shown fifty times at once pays for one call', async () => {
  const account = await opened()
  const offer = await channelOffer(world.chat, hello())
  const payment = await voucherOf(account, offer, { cumulative: CHARGE + BigInt(offer.amount) })
  const served = world.upstream.seen.length
  const answers = await Promise.all(Array.from({ length: 50 }, () => pay(world.chat, payment, hello())))
  const statuses = answers.map((one) => one.status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(1)
  expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([])
  expect(world.upstream.seen.length - served).toBe(1)
  expect((await channelOf(world, account)).charged).toBe(CHARGE * 2n)
  const late = await pay(world.chat, payment, hello())
  const id = answers.find((one) => one.status === 200)!.headers.get('x-farebox-call')
  expect([late.status, late.headers.get('x-farebox-call')]).toEqual([409, id])
  expect((await refusalOf(late)).code).toBe('payment_already_used')
})

test('a voucher that paid stays used, whatever was charged since', async () => {
  const account = await opened()
  const offer = await channelOffer(world.chat, hello())
  const payment = await voucherOf(account, offer, { cumulative: CHARGE + BigInt(offer.amount) })
  expect((await pay(world.chat, payment, hello())).status).toBe(200)
  const next = await channelOffer(world.chat, hello())
  await pay(
    world.chat,
    await voucherOf(account, next, { cumulative: CHARGE * 2n + BigInt(next.amount) }),
    hello(),
  )
  const told = await costingNothing(world, async () => refusalOf(await pay(world.chat, payment, hello())))
  expect([told.status, told.code]).toEqual([409, 'payment_already_used'])
})

test('a voucher for a channel that was never opened pays for nothing, and its payer is told to deposit', async () => {
  const account = await world.payer()
  const offer = await channelOffer(world.chat, hello())
  const told = await refused(() => voucherOf(account, offer, { cumulative: BigInt(offer.amount) }))
  expect(told).toMatchObject({
    code: 'channel_mismatch',
    x402: 'invalid_batch_settlement_evm_cumulative_amount_mismatch',
  })
})

test('a voucher above what the channel holds pays for nothing', async () => {
  const account = await opened()
  const body = hello({ max_tokens: 1000 })
  const offer = await channelOffer(world.chat, body)
  const payment = await voucherOf(account, offer, { cumulative: CHARGE + BigInt(offer.amount) })
  const told = await costingNothing(world, async () => refusalOf(await pay(world.chat, payment, body)))
  expect(told.code).toBe('channel_balance_short')
})

test('a deposit must be signed for its own channel', async () => {
  const account = await world.payer()
  const offer = await channelOffer(world.chat, hello())
  const cumulative = BigInt(offer.amount)
  const told = await refused(() =>
    depositOf(account, offer, 1000n, { cumulative, nonce: `0x${'12'.repeat(32)}` }),
  )
  expect(told.code).toBe('payment_signature_invalid')
  expect(await world.balance(account.address)).toBe(10_000_000n)
})

test.each([
  ['less than the voucher', 50n, 0n, 'deposit_too_small'],
  ['more than the payer has', 20_000_000n, 0n, 'insufficient_funds'],
  ['a voucher for more than this call', 1000n, 1n, 'channel_mismatch'],
])('a deposit of %s is not taken', async (_, amount, more, code) => {
  const account = await world.payer()
  const offer = await channelOffer(world.chat, hello())
  const told = await refused(() =>
    depositOf(account, offer, amount, { cumulative: BigInt(offer.amount) + more }),
  )
  expect(told.code).toBe(code)
  expect(
    await channelsOf(world).then((all) =>
      all.filter((one) => one.config.payer === account.address.toLowerCase()),
    ),
  ).toEqual([])
})

test('one deposit shown ten times at once moves once and pays for one call', async () => {
  const account = await world.payer()
  const offer = await channelOffer(world.chat, hello())
  const payment = await depositOf(account, offer, 1000n, { cumulative: BigInt(offer.amount) })
  const answers = await Promise.all(Array.from({ length: 10 }, () => pay(world.chat, payment, hello())))
  expect(answers.map((one) => one.status).toSorted()).toEqual([200, ...Array(9).fill(409)])
  expect(await world.balance(account.address)).toBe(10_000_000n - 1000n)
  expect(await channelOf(world, account)).toMatchObject({ balance: 1000n, charged: CHARGE })
})

test('a payer cannot promise the same money to a deposit and to open calls', async () => {
  const account = await world.payer(1000n)
  const offer = await channelOffer(world.chat, hello())
  const { ledger } = world.farebox.deps
  const counter = ledger.counter
  ledger.counter = async (name) => (name.startsWith('signed:') ? 1n : counter(name))
  try {
    const told = await refused(() => depositOf(account, offer, 1000n, { cumulative: BigInt(offer.amount) }))
    expect(told.code).toBe('insufficient_funds')
  } finally {
    ledger.counter = counter
  }
})

test('two routers with different keys share no channel; with one key, each sees what the other claimed', async () => {
  const account = await opened()
  const other = await startFarebox(
    {
      ...world.config,
      store: 'memory:',
      secrets: { ...world.config.secrets, settlerKey: new Uint8Array(32).fill(7) },
    },
    { log: quietLog },
  )
  try {
    const offer = await channelOffer(`${other.url}/v1/chat/completions`, hello())
    const mine = await channelOffer(world.chat, hello())
    const theirs = { receiverAuthorizer: mine.extra.receiverAuthorizer! }
    const payment = await voucherOf(account, offer, {
      cumulative: CHARGE + BigInt(offer.amount),
      config: theirs,
    })
    const answer = await pay(`${other.url}/v1/chat/completions`, payment, hello())
    expect((await refusalOf(answer)).code).toBe('channel_config_mismatch')
  } finally {
    await other.close(0)
  }
  const twin = await startFarebox(
    { ...world.config, store: 'memory:', channels: { ...world.config.channels, claimAbove: 1n as Usd } },
    { log: quietLog, clock },
  )
  try {
    const buyer = channelBuyer(world, account)
    const chat = `${twin.url}/v1/chat/completions`
    for (let i = 0; i < 3; i++) expect((await buyer.fetch(chat, ask(hello()))).status).toBe(200)
    await twin.keeper.tick('now')
    const { id } = await channelOf(world, account)
    await expect.poll(() => twin.deps.ledger.channel(id).then((one) => one?.claimed)).toBe(CHARGE * 3n)
  } finally {
    await twin.close(0)
  }
  // What the twin claimed is beyond our records: nothing more is served here, because nothing could be claimed.
  await world.farebox.deps.settler('eip155:84532').tick()
  await world.farebox.deps.settler('eip155:84532').tick()
  ahead = 400_000
  const offer = await channelOffer(world.chat, hello())
  const told = await refused(() => voucherOf(account, offer, { cumulative: CHARGE + BigInt(offer.amount) }))
  expect(told.code).toBe('channel_config_mismatch')
})

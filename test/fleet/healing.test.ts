import { expect, test } from 'vitest'
import { assetKey, type Hex } from '../../src/assets.ts'
import { mint } from '../../src/cli/demo/localnet.ts'
import { newErrandId } from '../../src/ids.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { aCall, moves } from '../ledger/fixtures.ts'
import { buy } from '../support/pay.ts'
import { startRedis } from '../support/redis.ts'
import { CHAIN_ID, hello, startWorld } from '../support/world.ts'

const NETWORK = `eip155:${CHAIN_ID}` as const

test('a payout that was on its way when the store was flushed is paid once', async () => {
  const redis = await startRedis()
  const world = await startWorld({
    store: `${redis.url}?name=payout` as `redis://${string}`,
    extra: 'payouts: { least: "0.00005" }',
  })
  try {
    const { ledger, account } = world.farebox.deps
    const payer = await world.payer()
    const to = payer.address.toLowerCase() as Hex
    const token = world.token.toLowerCase() as Hex
    await (await buy(world.chat, payer, hello({ max_tokens: 200 }))).text()
    const credit = () => ledger.balance(assetKey({ chain: NETWORK, address: token }), ACCOUNT.credit(to))
    await expect.poll(credit, { timeout: 5_000 }).toBeGreaterThan(0n)
    const amount = await credit()
    await mint({
      url: world.net.url,
      deployerKey: world.net.accounts[0]!.privateKey,
      token: world.token,
      to: account.address,
      amount: 10n * amount,
    })
    const before = await world.balance(to)
    await world.rpc('evm_setAutomine', [false])
    const id = newErrandId()
    // Ordered at another instance while much else happens.
    const ordered = ledger.post({
      type: 'order',
      errand: {
        is: 'errand',
        id,
        chain: NETWORK,
        token,
        decimals: 6,
        payer: to,
        from: account.address,
        to,
        amount,
        at: Date.now(),
        validAfter: 0n,
        validBefore: 0n,
        settlement: { at: 'due' },
        task: { kind: 'payout' },
      },
    })
    await Promise.all([ordered, ...Array.from({ length: 600 }, () => ledger.post(moves(aCall()).claim()))])
    const stands = async () => (await ledger.errand(id))?.settlement.at
    await expect.poll(stands, { timeout: 5_000 }).toBe('settling')
    await redis.cli('FLUSHALL')
    // Its transaction comes into a block while nobody can book it.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await world.rpc('evm_setAutomine', [true])
    await world.rpc('evm_mine')
    const known = () => stands().catch(() => 'away')
    await expect.poll(known, { timeout: 15_000, interval: 50 }).toBe('settled')
    expect(await ledger.transactions(id)).toHaveLength(1)
    expect(await world.balance(to)).toBe(before + amount)
  } finally {
    await world.close()
    await redis.stop()
  }
}, 40_000)

test('gas that was booked is not booked again while a flushed store gets back what it knew', async () => {
  const redis = await startRedis()
  const world = await startWorld({
    store: `${redis.url}?name=gas` as `redis://${string}`,
    extra: 'reconcile: { everySeconds: 1, overlapBlocks: 100 }',
  })
  try {
    const { ledger } = world.farebox.deps
    await (await buy(world.chat, await world.payer(), hello())).text()
    const spent = () => ledger.balance(`${NETWORK}/native`, ACCOUNT.settlerGas)
    await expect.poll(spent, { timeout: 5_000 }).toBeGreaterThan(0n)
    const before = await spent()
    await expect.poll(() => ledger.cursor(NETWORK), { timeout: 10_000 }).toBeDefined()
    // Who leads is the same afterwards, so that its duties go on.
    const key = '{gas}:lease'
    const lease = (await redis.cli('HGETALL', key)) as string[]
    const flush = "redis.call('FLUSHALL') redis.call('HSET', KEYS[1], unpack(ARGV))"
    await redis.cli('EVAL', flush, 1, key, ...lease)
    await expect.poll(spent, { timeout: 10_000 }).toBeGreaterThan(0n)
    // Until the next look at the chain has ended.
    await expect.poll(() => ledger.cursor(NETWORK).catch(() => undefined), { timeout: 10_000 }).toBeDefined()
    expect(await spent()).toBe(before)
  } finally {
    await world.close()
    await redis.stop()
  }
}, 40_000)

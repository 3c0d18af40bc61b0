import { expect, test } from 'vitest'
import type { Chain, ChannelState } from '../../src/chain/chain.ts'
import { createChannels } from '../../src/channel/channels.ts'
import { systemClock } from '../../src/clock.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import type { Till } from '../../src/quote/offers.ts'
import { aConfig, aDeposit, keyOf } from '../ledger/errands.ts'
import { ANN, aProof, TOKEN, word } from '../ledger/fixtures.ts'

const CHAIN = 'eip155:8453'
const config = aConfig(ANN, 1)
const payment = {
  kind: 'voucher' as const,
  config,
  voucher: { channel: word(1), max: 150n, signature: word(5) },
}
const till = {
  asset: { chain: CHAIN, address: TOKEN, decimals: 6 },
  payTo: config.receiver,
} as unknown as Till

const aState = (balance: bigint): ChannelState => ({
  balance,
  totalClaimed: 0n,
  refundNonce: 0n,
  withdrawal: undefined,
})

/** A ledger with a channel of 100 units, and what the chain says of it. `meanwhile` runs while the chain is asked. */
const world = async (state: ChannelState, meanwhile: () => Promise<unknown> = async () => {}) => {
  const ledger = memoryLedger({ clock: systemClock })
  const first = aDeposit(1, 100n)
  await ledger.post({ type: 'order', errand: first })
  await ledger.post({ type: 'settled', id: first.id, proof: aProof(1) })
  const asked: bigint[] = []
  const chain = {
    channels: async (_: unknown, block: bigint) => {
      asked.push(block)
      await meanwhile()
      return [state]
    },
    blockHashes: async () => [word(9)],
  } as unknown as Chain
  const channels = createChannels({
    ledger,
    chainOf: () => chain,
    settlerOf: () => ({ head: () => ({ number: 10n, hash: word(9), timestamp: 0, baseFee: 0n, tip: 0n }) }),
    confirmationsOf: () => 1,
    clock: systemClock,
    log: quietLog,
  })
  return { ledger, channels, asked }
}

test('a deposit that is proven while the chain is asked about its channel counts once', async () => {
  const more = aDeposit(1, 50n)
  const made = await world(aState(150n), () =>
    made.ledger.post({ type: 'settled', id: more.id, proof: aProof(2) }),
  )
  await made.ledger.post({ type: 'order', errand: more })
  const { channel } = await made.channels.find(till, payment, 150n)
  expect(channel?.balance).toBe(150n)
  expect((await made.ledger.channel(keyOf(1)))?.balance).toBe(150n)
})

test('what the last look showed to be gone is not drawn on, however fresh the look is', async () => {
  const { ledger, channels } = await world(aState(40n))
  await channels.look(CHAIN, [word(1)])
  const { channel } = await channels.find(till, payment, 80n)
  expect(channel?.balance).toBe(40n)
  expect((await ledger.channel(keyOf(1)))?.balance).toBe(40n)
})

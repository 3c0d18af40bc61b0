import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { batchExecutor } from '../../src/chain/batch-executor.generated.ts'
import type { Chain } from '../../src/chain/chain.ts'
import type { Call, Tx } from '../../src/ledger/call.ts'
import type { Errand } from '../../src/ledger/errand.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { bookOf } from '../../src/ledger/moves.ts'
import {
  type Engine,
  type EngineOptions,
  type Key,
  type Settling,
  startSettling,
} from '../support/settling.ts'
import { x402 } from '../support/x402-contracts.ts'

let ground: Settling
let engine: Engine
const opened: Engine[] = []

const open = async (options: EngineOptions = {}): Promise<Engine> => {
  engine = await ground.open(options)
  opened.push(engine)
  return engine
}

beforeAll(async () => {
  ground = await startSettling()
})
afterAll(() => ground?.close())
beforeEach(() => ground.reset())
afterEach(async () => {
  // Whatever a test did to the chain, the books must hold.
  for (const { ledger } of opened) expect(await checkInvariants(ledger, { now: Date.now() })).toEqual([])
  for (const { settler } of opened.splice(0)) await settler.stop()
})

/** Company for every settlement: they wait for each other, until the test says that it has been long enough. */
const inCompany = { serving: () => 2, batch: { maxDelayMs: 60_000 } } as const
/** Lets what waits go, in one batch. */
const depart = async () => {
  ground.forward(60_000)
  await engine.settler.tick()
}
const oweAll = (payers: readonly Key[], of: Parameters<Engine['owe']>[1] = {}) =>
  Promise.all(payers.map((payer) => engine.owe(payer, of)))
const callsOf = (owed: readonly Call[]) => Promise.all(owed.map(({ id }) => engine.call(id)))
const settlements = async (owed: readonly Call[]) => (await callsOf(owed)).map((one) => one.settlement.at)
const txsOf = async (owed: readonly Call[]): Promise<Tx[]> => {
  const all = (await Promise.all(owed.map(({ id }) => engine.ledger.transactions(id)))).flat()
  return [...new Map(all.map((tx) => [tx.hash, tx])).values()]
}
const receiptOf = (hash: Hex) =>
  ground.rpc<{ gasUsed: Hex; to: Hex; status: Hex }>('eth_getTransactionReceipt', [hash])
const gasSpent = () => engine.ledger.balance('eip155:84532/native', 'gas:settler')
const funds = async () =>
  BigInt(await ground.rpc<Hex>('eth_getBalance', [ground.settlerKey.address, 'latest']))
const code = () => ground.rpc<Hex>('eth_getCode', [ground.settlerKey.address, 'latest'])
const nextNonce = async () =>
  Number(await ground.rpc<Hex>('eth_getTransactionCount', [ground.settlerKey.address, 'latest']))
/** Each is proven by a transfer of its own. */
const proofs = async (owed: readonly Call[]) =>
  new Set(
    (await callsOf(owed)).map(({ settlement }) =>
      settlement.at === 'settled' ? `${settlement.proof.hash} ${settlement.proof.logIndex}` : settlement.at,
    ),
  )
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)
const known = async (hash: Hex) => (await ground.rpc('eth_getTransactionByHash', [hash])) !== null
const aPayout = ({ id, chain, token, payer }: Call): Errand => ({
  is: 'errand',
  id: `payout_${id}`,
  chain,
  token,
  decimals: 6,
  payer,
  from: ground.settlerKey.address,
  to: payer,
  amount: 800n,
  at: Date.now(),
  validAfter: 0n,
  validBefore: 0n,
  settlement: { at: 'due' },
  task: { kind: 'payout' },
})
const stranger = () => ground.net.accounts[5]!.address
const issuer = () => ground.net.accounts[0]!.address

describe('a payment', () => {
  test('that comes alone has a transaction of its own at once', async () => {
    await open({ serving: () => 1 })
    const [payer] = await ground.payers(1)
    const owed = await engine.owe(payer!)
    const [tx, ...more] = await txsOf([owed])
    expect([tx?.items, more]).toEqual([[owed.id], []])
    await engine.settle()
    expect(await settlements([owed])).toEqual(['settled'])
    expect((await receiptOf(tx!.hash)).to).toBe(ground.token)
  })

  test('a hundred at once settle in one transaction, each proven by its own transfer, for two thirds of the gas at most', async () => {
    const payers = await ground.payers(101)
    await open({ serving: () => 1 })
    const single = await engine.owe(payers.pop()!)
    await engine.settle()
    const [alone] = await txsOf([single])
    const ofOne = Number((await receiptOf(alone!.hash)).gasUsed)

    await open({ serving: () => 100 })
    const before = await funds()
    const owed = await oweAll(payers)
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(100, 'settled'))
    expect((await proofs(owed)).size).toBe(100)
    const txs = await txsOf(owed)
    expect(txs).toHaveLength(1)
    const used = Number((await receiptOf(txs[0]!.hash)).gasUsed)
    expect(used / 100).toBeLessThanOrEqual((ofOne * 2) / 3)
    expect(await gasSpent()).toBe(before - (await funds()))
    expect(await ground.balance(ground.payTo)).toBeGreaterThanOrEqual(100_000n)
  })

  test('waits for company no longer than the ceiling', async () => {
    await open(inCompany)
    const [payer] = await ground.payers(1)
    const owed = await engine.owe(payer!)
    await engine.settler.tick()
    expect(await settlements([owed])).toEqual(['due'])
    await depart()
    await engine.settle()
    expect(await settlements([owed])).toEqual(['settled'])
  })

  test('that ends soon does not wait for company', async () => {
    await open(inCompany)
    const [payer] = await ground.payers(1)
    const owed = await engine.owe(payer!, { end: (await ground.now()) + 60 })
    expect(await settlements([owed])).toEqual(['settling'])
    await engine.settle()
  })

  test('that waits goes out when the router stops', async () => {
    await open(inCompany)
    const owed = await oweAll(await ground.payers(3))
    await engine.settler.stop()
    expect(await settlements(owed)).toEqual(times(3, 'settling'))
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(3, 'settled'))
  })
})

describe('of twenty in one transaction', () => {
  type Harm = (bad: Call, key: Key) => Promise<unknown>
  const submitted: Harm = async (bad) => {
    const { payer, payTo, signed, validAfter, validBefore, nonce, signature } = bad
    const v = Number(`0x${signature.slice(130)}`)
    const [r, s] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`]
    const args = [payer, payTo, signed, validAfter, validBefore, nonce, v, r, s]
    return ground.act(stranger(), 'transferWithAuthorization', args)
  }
  const harms: [string, Harm, 'lost' | 'settled'][] = [
    [
      'whose payer moved the money away is lost',
      ({ payer }) => ground.act(payer, 'transfer', [stranger(), 10_000_000n]),
      'lost',
    ],
    [
      'whose payer was blacklisted is lost',
      ({ payer }) => ground.act(issuer(), 'blacklist', [payer]),
      'lost',
    ],
    ['that a stranger submitted first has paid, by that transaction', submitted, 'settled'],
  ]
  test.each(harms)('the one %s, and the others settle', async (_, harm, end) => {
    await open(inCompany)
    const payers = await ground.payers(20)
    await ground.hold()
    const before = await funds()
    const owed = await oweAll(payers)
    await depart()
    const [tx] = await txsOf(owed)
    expect(tx!.items).toHaveLength(20)
    await expect.poll(() => known(tx!.hash)).toBe(true)
    await harm(owed[7]!, payers[7]!)
    await ground.mine()
    await ground.rpc('evm_setAutomine', [true])
    await engine.settle()
    const ends: string[] = await settlements(owed)
    expect(ends.splice(7, 1)).toEqual([end])
    expect(ends).toEqual(times(19, 'settled'))
    expect((await proofs(owed)).size).toBe(20)
    expect(await gasSpent()).toBe(before - (await funds()))
    // What can still be paid was tried once more, by itself.
    const tries = (await engine.ledger.transactions(owed[7]!.id)).map(({ items }) => items.length)
    expect(tries).toEqual(end === 'lost' ? [20, 1] : [20])
  })

  test('the one that expires before any block takes it is lost, and the gas adds up', async () => {
    await open(inCompany)
    const payers = await ground.payers(20)
    const end = (await ground.now()) + 200
    await ground.hold()
    const before = await funds()
    const short = await engine.owe(payers[0]!, { end })
    const owed = await oweAll(payers.slice(1))
    await depart()
    const [tx] = await txsOf([short])
    expect(tx!.items).toHaveLength(20)
    await expect.poll(() => known(tx!.hash)).toBe(true)
    await ground.rpc('evm_setNextBlockTimestamp', [end + 61])
    await ground.mine()
    ground.forward(261_000)
    await engine.settle()
    expect(await settlements([short, ...owed])).toEqual(['lost', ...times(19, 'settled')])
    expect(await gasSpent()).toBe(before - (await funds()))
  })

  test('a dearer transaction leaves out the one that has expired, and the others pay once', async () => {
    await open(inCompany)
    const payers = await ground.payers(20)
    const end = (await ground.now()) + 200
    await ground.hold()
    const before = await funds()
    const short = await engine.owe(payers[0]!, { end })
    const owed = await oweAll(payers.slice(1))
    await depart()
    const [first] = await txsOf([short])
    await expect.poll(() => known(first!.hash)).toBe(true)
    await ground.rpc('anvil_setNextBlockBaseFeePerGas', ['0x174876e800'])
    await ground.rpc('evm_setNextBlockTimestamp', [end + 1])
    await ground.mine()
    ground.forward(201_000)
    await engine.settler.tick()
    const [, better] = await engine.ledger.transactions(owed[0]!.id)
    expect([better?.nonce, better?.items.length]).toEqual([first!.nonce, 19])
    await expect.poll(() => known(better!.hash)).toBe(true)
    await ground.mine()
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(19, 'settled'))
    ground.forward(500_000)
    await ground.rpc('evm_increaseTime', [500])
    await ground.mine()
    await engine.settle()
    expect(await settlements([short])).toEqual(['lost'])
    expect(await engine.ledger.transactions(short.id)).toHaveLength(1)
    expect(await gasSpent()).toBe(before - (await funds()))
  })
})

describe('a crash', () => {
  const deaf = (chain: Chain): Chain => ({
    ...chain,
    send: () => Promise.reject(new Error('the process is dead')),
  })

  test('after the batch was stored and before it was sent: the next process sends the same bytes', async () => {
    const dead = await open({ ...inCompany, through: deaf })
    const owed = await oweAll(await ground.payers(10))
    await depart()
    const [tx] = await txsOf(owed)
    expect(await known(tx!.hash)).toBe(false)
    await open({ ...inCompany, ledger: dead.ledger })
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(10, 'settled'))
    expect((await txsOf(owed)).map((one) => one.raw)).toEqual([tx!.raw])
    expect((await receiptOf(tx!.hash)).status).toBe('0x1')
  })

  test('between the wish and the batch: the next process makes it, and what is released is never sent', async () => {
    const dead = await open({ serving: () => 2, batch: { maxDelayMs: 1e9 } })
    const owed = await oweAll(await ground.payers(10))
    expect(await settlements(owed)).toEqual(times(10, 'due'))
    await open({ ...inCompany, ledger: dead.ledger })
    expect(engine.settler.pending()).toBe(10)
    await depart()
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(10, 'settled'))
    expect(await txsOf(owed)).toHaveLength(1)
  })
})

describe('the ledger', () => {
  test('refuses a batch with one that is past it: that one is left out, and the others go', async () => {
    await open(inCompany)
    const owed = await oweAll(await ground.payers(5))
    await engine.ledger.post({ type: 'lose', id: owed[2]!.id, why: 'a test says so', gas: 0n })
    await depart()
    await depart()
    await engine.settle()
    expect(await settlements(owed)).toEqual(['settled', 'settled', 'lost', 'settled', 'settled'])
    expect((await txsOf(owed)).map((tx) => tx.items.length)).toEqual([4])
    expect(await engine.ledger.transactions(owed[2]!.id)).toEqual([])
    expect(await nextNonce()).toBe((await txsOf(owed))[0]!.nonce + 1)
  })

  test('that cannot be written holds a batch back, and it goes when it can', async () => {
    await open(inCompany)
    const owed = await oweAll(await ground.payers(3))
    const { post } = engine.ledger
    engine.ledger.post = () => Promise.reject(new Error('the disk is full'))
    await depart()
    expect(await settlements(owed)).toEqual(times(3, 'due'))
    engine.ledger.post = post
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(3, 'settled'))
  })
})

test('a reorganisation that drops a batch: all of it is reversed, sent again and settles again', async () => {
  await open(inCompany)
  const owed = await oweAll(await ground.payers(10))
  const before = await funds()
  await depart()
  await engine.settle()
  expect(await settlements(owed)).toEqual(times(10, 'settled'))
  await ground.rpc('anvil_reorg', [1, []])
  await ground.rpc('anvil_dropAllTransactions')
  await ground.hold()
  await engine.settler.tick()
  expect(await settlements(owed)).toEqual(times(10, 'settling'))
  const [tx, ...more] = await txsOf(owed)
  expect(more).toEqual([])
  await expect.poll(() => known(tx!.hash)).toBe(true)
  await ground.mine()
  await engine.settle()
  expect(await settlements(owed)).toEqual(times(10, 'settled'))
  expect((await proofs(owed)).size).toBe(10)
  expect(await gasSpent()).toBe(before - (await funds()))
})

test('equal payments of one payer by Permit2 are told apart, also when money was there for some of them only', async () => {
  await open(inCompany)
  const [payer] = await ground.payers(1, true)
  const owed = await oweAll(times(5, payer!), { kind: 'permit2', signed: 4_000_000n })
  await depart()
  await engine.settle()
  const ends = await settlements(owed)
  expect(ends.toSorted()).toEqual(['lost', 'lost', 'lost', 'settled', 'settled'])
  expect(await ground.balance(payer!.address)).toBe(2_000_000n)
})

test('on a chain without Multicall3 each has a transaction of its own, at once', async () => {
  const without = (chain: Chain): Chain => ({
    ...chain,
    code: async (account) => (account === x402.multicall3.toLowerCase() ? 'none' : chain.code(account)),
  })
  await open({ ...inCompany, through: without })
  const owed = await oweAll(await ground.payers(3))
  expect(await settlements(owed)).toEqual(times(3, 'settling'))
  await engine.settle()
  expect(await settlements(owed)).toEqual(times(3, 'settled'))
  expect(await txsOf(owed)).toHaveLength(3)
})

/** A node as geth is to delegated accounts: one transaction at a time. */
const sendOne = async (chain: Chain, raws: readonly Hex[]): Promise<(string | undefined)[]> => {
  const said: (string | undefined)[] = []
  for (const raw of raws) {
    const { address } = ground.settlerKey
    const pending =
      Number(await ground.rpc<Hex>('eth_getTransactionCount', [address, 'pending'])) - (await nextNonce())
    const full = pending > 0 && (await code()) !== '0x'
    said.push(
      full ? 'in-flight transaction limit reached for delegated accounts' : (await chain.send([raw]))[0],
    )
  }
  return said
}

describe('the settler’s own account', () => {
  const delegation = `0xef0100${batchExecutor.address.slice(2)}`
  const delegated = async (more: EngineOptions = {}) => {
    await open({ ...inCompany, ...more, delegate: true })
    await expect.poll(() => engine.said, { timeout: 10_000 }).toContain('settler_delegated')
    expect(await code()).toBe(delegation)
  }

  test('takes the code of the batch executor, and settles `upto` together, each for what was charged', async () => {
    const payers = await ground.payers(20, true)
    await delegated()
    const before = await funds()
    const received = await ground.balance(ground.payTo)
    const owed = await Promise.all(
      payers.map((payer, i) =>
        engine.owe(payer, { kind: 'upto', signed: 5_000n, charged: BigInt(100 + (i % 3)) }),
      ),
    )
    await depart()
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(20, 'settled'))
    expect((await proofs(owed)).size).toBe(20)
    const [tx, ...more] = await txsOf(owed)
    expect(more).toEqual([])
    const receipt = await receiptOf(tx!.hash)
    expect(receipt.to).toBe(ground.settlerKey.address)
    expect((await ground.balance(ground.payTo)) - received).toBe(2_019n)
    expect(await gasSpent()).toBe(before - (await funds()))
  })

  test('holds a bad `upto` to itself, and one that was charged nothing is not sent', async () => {
    const payers = await ground.payers(10, true)
    await delegated()
    await ground.act(payers[3]!.address, 'transfer', [stranger(), 10_000_000n])
    const owed = await oweAll(payers.slice(1), { kind: 'upto', signed: 5_000n, charged: 70n })
    await depart()
    await engine.settle()
    expect(await settlements(owed)).toEqual(['settled', 'settled', 'lost', ...times(6, 'settled')])
  })

  test('pays credit out to many at once; who cannot receive keeps the credit', async () => {
    const payers = await ground.payers(4)
    await delegated()
    const calls = await Promise.all(payers.map((payer) => engine.owe(payer, { charged: 200n })))
    await depart()
    await engine.settle()
    const before = await funds()
    const spent = await gasSpent()
    await ground.act(issuer(), 'mint', [ground.settlerKey.address, 10_000n])
    await ground.act(issuer(), 'blacklist', [payers[1]!.address])
    const ordered = await Promise.all(calls.map((call) => engine.settler.order(aPayout(call))))
    expect(ordered.every(({ ok }) => ok)).toBe(true)
    await depart()
    await engine.settle()
    const ends = await Promise.all(calls.map(({ id }) => engine.ledger.errand(`payout_${id}`)))
    expect(ends.map((one) => one?.settlement.at)).toEqual(['settled', 'lost', 'settled', 'settled'])
    const asset = bookOf(calls[0]!)
    const credits = payers.map(({ address }) => engine.ledger.balance(asset, `credit:${address}`))
    expect(await Promise.all(credits)).toEqual([0n, 800n, 0n, 0n])
    expect(await ground.balance(payers[0]!.address)).toBe(9_999_800n)
    const txs = (await Promise.all(ends.map((one) => engine.ledger.transactions(one!.id)))).map((all) =>
      all.map((tx) => tx.items.length),
    )
    expect(txs).toEqual([[4], [4, 1], [4], [4]])
    expect((await gasSpent()) - spent).toBe(before - (await funds()))
  })

  test('may have one transaction at a time at some nodes: what comes meanwhile goes together in the next', async () => {
    const payers = await ground.payers(12, true)
    const strict = (chain: Chain): Chain => ({ ...chain, send: async (raws) => sendOne(chain, raws) })
    await delegated({ through: strict })
    await ground.hold()
    const kinds = { kind: 'upto', signed: 5_000n, charged: 70n } as const
    const first = await oweAll(payers.slice(0, 3), kinds)
    await depart()
    const second = await oweAll(payers.slice(3, 6), kinds)
    await depart()
    await expect.poll(() => engine.said).toContain('settlement_not_taken')
    const rest: Call[] = []
    for (const payer of payers.slice(6)) {
      rest.push(await engine.owe(payer, kinds))
      ground.forward(61_000)
      await engine.settler.tick()
    }
    expect(await settlements(rest)).toEqual(times(6, 'due'))
    for (let i = 0; i < 3; i++) {
      await ground.mine()
      await engine.settler.tick()
      await depart()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await ground.mine()
    await engine.settle()
    expect(await settlements([...first, ...second, ...rest])).toEqual(times(12, 'settled'))
    expect((await txsOf(rest)).map((tx) => tx.items.length)).toEqual([6])
  })

  test('without it each `upto` has a transaction of its own', async () => {
    await open(inCompany)
    const owed = await oweAll(await ground.payers(3, true), { kind: 'upto', signed: 5_000n, charged: 70n })
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(3, 'settled'))
    expect(await txsOf(owed)).toHaveLength(3)
  })

  test('keeps the code that somebody gave it, and settles without', async () => {
    const theirs = `0xef0100${'77'.repeat(20)}`
    await ground.rpc('anvil_setCode', [ground.settlerKey.address, theirs])
    const first = await nextNonce()
    await open({ ...inCompany, delegate: true })
    const owed = await oweAll(await ground.payers(2, true), { kind: 'upto', signed: 5_000n, charged: 70n })
    await engine.settle()
    expect([await code(), await nextNonce()]).toEqual([theirs, first + 2])
    expect(await settlements(owed)).toEqual(times(2, 'settled'))
  })

  test('stays as it is on a chain that refuses the transaction, and its nonce goes to the next payment', async () => {
    const first = await nextNonce()
    const old = (chain: Chain): Chain => ({
      ...chain,
      send: (raws) =>
        raws.some((raw) => raw.startsWith('0x04'))
          ? Promise.resolve(['transaction type not supported'])
          : chain.send(raws),
    })
    const payers = await ground.payers(2, true)
    await open({ ...inCompany, delegate: true, through: old })
    await expect.poll(() => engine.said).toContain('settler_not_delegated')
    const deployed = await nextNonce()
    const owed = await oweAll(payers, { kind: 'upto', signed: 5_000n, charged: 70n })
    await engine.settle()
    expect(await settlements(owed)).toEqual(times(2, 'settled'))
    expect(await code()).toBe('0x')
    expect([deployed >= first, await nextNonce()]).toEqual([true, deployed + 2])
  })
})

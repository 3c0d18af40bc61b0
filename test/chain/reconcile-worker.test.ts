import { encodeFunctionData, type Hex, type LocalAccount, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { addressOf } from '../../src/chain/signatures.ts'
import { systemClock } from '../../src/clock.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { quietLog } from '../../src/log.ts'
import { reconcile } from '../../src/reconcile/reconcile.ts'
import { createReconciler, type WorkerFacts } from '../../src/reconcile/worker.ts'
import { buy } from '../support/pay.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

const ERC20 = parseAbi(['function transfer(address to, uint256 amount) returns (bool)'])
const OWNER: Hex = '0x00000000000000000000000000000000000d00d5'
const THIEF: Hex = '0x00000000000000000000000000000000000bad00'

let world: World
let chain: Chain
let payer: LocalAccount
let settler: Hex

beforeAll(async () => {
  world = await startWorld({ store: 'sqlite', extra: 'reconcile: { everySeconds: 86400 }' })
  chain = createChain(`eip155:${CHAIN_ID}`, [world.net.url])
  settler = addressOf(world.config.secrets.settlerKey)
  payer = await world.payer()
  const stranger = await world.payer()
  await transfer(stranger.address, OWNER, 5_000_000n)
})
afterAll(async () => {
  await chain?.close()
  await world?.close()
})

const facts = (): WorkerFacts => ({
  ledger: world.farebox.deps.ledger,
  chain,
  settler,
  tills: world.farebox.deps.offers.tills,
  clock: systemClock,
  log: quietLog,
  confirmations: 1,
  everySeconds: 60,
  overlapBlocks: 64,
  from: 0n,
})
const look = (change: Partial<WorkerFacts> = {}) => createReconciler({ ...facts(), ...change }).look()
const report = () => reconcile({ ...facts(), from: 0n })
const transfer = (from: Hex, to: Hex, amount: bigint) =>
  world.act(
    from,
    world.token,
    encodeFunctionData({ abi: ERC20, functionName: 'transfer', args: [to, amount] }),
  )
const book = () => `eip155:${CHAIN_ID}/${world.token.toLowerCase()}`
const balance = (account: string) => world.farebox.deps.ledger.balance(book(), account)
const violations = () => checkInvariants(world.farebox.deps.ledger, { now: Date.now() })

/** What the ledger says that our addresses hold is what they hold. */
const expectEqual = async () => {
  expect(-(await balance(ACCOUNT.chain))).toBe(await chain.balance(world.token, PAY_TO))
  expect(-(await balance(ACCOUNT.float))).toBe(await chain.balance(world.token, settler))
  expect(await violations()).toEqual([])
  expect((await report()).agrees).toBe(true)
}

const strange: [what: string, run: () => Promise<void>, kind: string, account: string, by: bigint][] = [
  ['money that nobody asked for', () => transfer(OWNER, PAY_TO, 70n), 'unsolicited', ACCOUNT.suspense, 70n],
  ['money that the owner took', () => transfer(PAY_TO, OWNER, 30n), 'outflow', ACCOUNT.owner, -30n],
  [
    'money that the owner gave the settler',
    () => transfer(OWNER, settler, 900n),
    'funding',
    ACCOUNT.owner,
    900n,
  ],
  [
    'money for the settler out of what was paid',
    () => transfer(PAY_TO, settler, 10n),
    'outflow',
    ACCOUNT.float,
    -10n,
  ],
  ['money that left the settler', () => transfer(settler, THIEF, 20n), 'defunding', ACCOUNT.owner, -20n],
  ['money that the settler gave back', () => transfer(settler, PAY_TO, 5n), 'defunding', ACCOUNT.float, 5n],
]

test.each(strange)('%s is found, and booked once', async (_, run, kind, account, by) => {
  await look()
  const before = await balance(account)
  await run()
  const found = await report()
  expect(found.agrees).toBe(false)
  expect(found.findings.filter((one) => one.kind === kind)).toHaveLength(1)
  expect(await look()).toMatchObject({ differing: [] })
  expect((await balance(account)) - before).toBe(by)
  expect(await look()).toMatchObject({ booked: 0, differing: [] })
  await expectEqual()
})

test('a transaction of the settler that the ledger never stored is gas too', async () => {
  const spent = () => world.farebox.deps.ledger.balance(`eip155:${CHAIN_ID}/native`, ACCOUNT.settlerGas)
  const before = await spent()
  await world.act(settler, settler, '0x')
  expect((await report()).gas?.unknown.filter((one) => !one.booked)).toHaveLength(1)
  expect(await look()).toMatchObject({ booked: 1 })
  const gas = (await spent()) - before
  expect(gas).toBeGreaterThan(0n)
  const told = await report()
  expect(told.gas).toMatchObject({ agrees: true, unseen: 0 })
  expect(told.gas?.unknown.at(-1)).toMatchObject({ booked: true, gas: gas.toString() })
})

test('paid calls and strange transfers side by side agree to the unit', async () => {
  const buying = Array.from({ length: 4 }, async () => (await buy(world.chat, payer, hello())).status)
  await Promise.all([look(), transfer(OWNER, PAY_TO, 7n), ...buying])
  expect(await Promise.all(buying)).toEqual([200, 200, 200, 200])
  await Promise.all([look(), look(), world.settle()])
  await look()
  await expectEqual()
})

test('a crash between a page and its cursor repeats the page and changes nothing', async () => {
  await look()
  await transfer(OWNER, PAY_TO, 13n)
  const { ledger } = world.farebox.deps
  const [cursor, before] = [await ledger.cursor(chain.id), await balance(ACCOUNT.suspense)]
  const dying = look({
    probe: () => {
      throw new Error('died')
    },
  })
  await expect(dying).rejects.toThrow('died')
  expect(await ledger.cursor(chain.id)).toBe(cursor)
  expect((await balance(ACCOUNT.suspense)) - before).toBe(13n)
  expect(await look()).toMatchObject({ booked: 0, differing: [] })
  expect(await ledger.cursor(chain.id)).toBe((await chain.head()).number)
  expect((await balance(ACCOUNT.suspense)) - before).toBe(13n)
  await expectEqual()
})

test('the cursor never goes back, and outlives the process', async () => {
  const { ledger } = world.farebox.deps
  const cursor = await ledger.cursor(chain.id)
  await ledger.moveCursor(chain.id, 1n)
  expect(await ledger.cursor(chain.id)).toBe(cursor)
  await world.restart()
  expect(await world.farebox.deps.ledger.cursor(chain.id)).toBe(cursor)
})

test('what was booked from a block that is gone is taken back, and booked again when it is there again', async () => {
  await look()
  const before = await balance(ACCOUNT.suspense)
  const snapshot = await world.rpc('evm_snapshot')
  await transfer(OWNER, PAY_TO, 17n)
  await look()
  expect((await balance(ACCOUNT.suspense)) - before).toBe(17n)
  await world.rpc('evm_revert', [snapshot])
  await world.rpc('anvil_mine', [3])
  expect((await report()).counts).toMatchObject({ reorged: 1 })
  await look()
  expect(await balance(ACCOUNT.suspense)).toBe(before)
  await expectEqual()
  await transfer(OWNER, PAY_TO, 17n)
  await look()
  expect((await balance(ACCOUNT.suspense)) - before).toBe(17n)
  await expectEqual()
})

test('the worker of a running router stops at once when the router does', async () => {
  const before = Date.now()
  await world.restart()
  expect(Date.now() - before).toBeLessThan(10_000)
})

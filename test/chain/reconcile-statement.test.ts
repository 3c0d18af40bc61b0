import { encodeFunctionData, type Hex, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { addressOf } from '../../src/chain/signatures.ts'
import { statementCommand } from '../../src/cli/statement.ts'
import { COLUMNS } from '../../src/cli/statement-columns.ts'
import { systemClock } from '../../src/clock.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { quietLog } from '../../src/log.ts'
import { createReconciler } from '../../src/reconcile/worker.ts'
import { buy } from '../support/pay.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

let world: World
let chain: Chain
let payers: Hex[]

beforeAll(async () => {
  world = await startWorld({ extra: 'reconcile: { everySeconds: 86400 }' })
  chain = createChain(`eip155:${CHAIN_ID}`, [world.net.url])
  const accounts = [await world.payer(), await world.payer(), await world.payer()]
  payers = accounts.map((one) => one.address.toLowerCase() as Hex)
  for (const account of accounts.slice(0, 2)) {
    const answer = await buy(world.chat, account, hello())
    expect(answer.status, await answer.text()).toBe(200)
  }
  await world.settle()
  const data = encodeFunctionData({
    abi: parseAbi(['function transfer(address to, uint256 amount)']),
    args: [PAY_TO, 1_234_567n],
  })
  await world.act(payers[2]!, world.token, data)
  const ledger = world.farebox.deps.ledger
  const { tills } = world.farebox.deps.offers
  const rest = {
    clock: systemClock,
    log: quietLog,
    confirmations: 1,
    everySeconds: 1,
    overlapBlocks: 64,
    from: 0n,
  }
  await createReconciler({ ledger, chain, tills, settler: settler(), ...rest }).look()
})
afterAll(async () => {
  await chain?.close()
  await world?.close()
})

const settler = () => addressOf(world.config.secrets.settlerKey)

const print = async (by: string, format: 'text' | 'csv' | 'json', more: object = {}) => {
  const lines: string[] = []
  const { ledger } = world.farebox.deps
  const { tills } = world.farebox.deps.offers
  const out = (line: string) => lines.push(line)
  const code = await statementCommand({ ledger, chain, tills, settler: settler(), by, format, out, ...more })
  return { code, lines }
}

type Told = { group: string } & Record<keyof typeof COLUMNS, string>
type Printed = { agrees: boolean; rows: Told[]; totals: Told[]; checks: { ledger: string; chain: string }[] }
const told = async (by: string, more: object = {}) => {
  const { code, lines } = await print(by, 'json', more)
  return { code, ...(JSON.parse(lines[0]!) as Printed) }
}
const dollars = (text: string) => BigInt(text.replace('.', ''))

test('each payer’s calls, charges and payments add up to what our balance changed by', async () => {
  const { code, rows, totals, checks } = await told('payer')
  expect(code).toBe(0)
  expect(rows.map((row) => row.group).toSorted()).toEqual(payers.toSorted())
  const [ann] = rows.filter((row) => row.group === payers[0])
  expect(ann).toMatchObject({ calls: '1', settled: ann!.signed, lost: '0.000000', other: '0.000000' })
  expect(dollars(ann!.charged) + dollars(ann!.credited)).toBe(dollars(ann!.signed))
  expect(rows.find((row) => row.group === payers[2])).toMatchObject({ calls: '0', other: '1.234567' })
  const held = await chain.balance(world.token as Hex, PAY_TO)
  expect(dollars(totals[0]!.settled) + dollars(totals[0]!.other)).toBe(held)
  expect(checks[0]).toMatchObject({ ledger: checks[0]!.chain })
  expect(BigInt(totals[0]!.gas)).toBeGreaterThan(0n)
})

test('days and tokens have the same totals as payers', async () => {
  const [payer, day, asset] = [await told('payer'), await told('day'), await told('asset')]
  expect(day.totals).toEqual(payer.totals)
  expect(asset.totals).toEqual(payer.totals)
  expect(asset.rows.map((row) => row.group)).toEqual(['USDC'])
  expect(day.rows.every((row) => /^\d{4}-\d\d-\d\d$/.test(row.group))).toBe(true)
})

test('a range of days holds what happened on them', async () => {
  const today = new Date().toISOString().slice(0, 10)
  const past = await told('day', { from: '2020-01-01', to: '2020-01-02' })
  expect(past).toMatchObject({ code: 0, rows: [] })
  expect((await told('day', { from: '2020-01-01', to: today })).totals).toEqual((await told('day')).totals)
})

test('CSV has one line a group, and the table says that it agrees', async () => {
  const { code, lines } = await print('payer', 'csv')
  expect(code).toBe(0)
  expect(lines[0]).toBe(`payer,asset,${Object.keys(COLUMNS).join(',')}`)
  expect(lines).toHaveLength(1 + 3 + 1)
  expect(lines.every((line) => line.split(',').length === 2 + Object.keys(COLUMNS).length)).toBe(true)
  expect((await print('asset', 'text')).lines.at(-2)).toMatch(/^✓ our balance changed in blocks/)
})

test('a statement that is not what the chain shows says so', async () => {
  const { ledger } = world.farebox.deps
  const forgetful: Ledger = {
    ...ledger,
    transfers: async (...range) => (await ledger.transfers(...range)).filter((row) => row.what !== 'inflow'),
  }
  const { code, lines } = await print('asset', 'text', { ledger: forgetful })
  expect(code).toBe(1)
  expect(lines.some((line) => line.startsWith('✗ our balance changed'))).toBe(true)
})

test('only days and known groups are taken', async () => {
  await expect(print('week', 'text')).rejects.toThrow('--statement must be one of day, payer, asset')
  await expect(print('day', 'text', { from: 'yesterday' })).rejects.toThrow('is not a day')
})

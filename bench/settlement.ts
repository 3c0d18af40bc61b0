/**
 * How fast one settler key settles: a backlog of payments on a chain with a block every two seconds and 30 million gas
 * in each. Run by hand: node bench/settlement.ts [payments] [upto]; about a minute. Prints JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '../src/assets.ts'
import { systemClock } from '../src/clock.ts'
import { sqliteLedger } from '../src/ledger/sqlite.ts'
import { type Engine, type Settling, startSettling } from '../test/support/settling.ts'

const BLOCK_SECONDS = 2
const BLOCK_GAS = 30_000_000
const PAYERS = 250
const LONGEST_MS = 90_000

type Block = { number: Hex; gasUsed: Hex; gasLimit: Hex; transactions: unknown[] }

const run = async (payments: number, upto: boolean): Promise<object> => {
  const ground = await startSettling()
  const dir = mkdtempSync(join(tmpdir(), 'farebox-bench-'))
  const ledger = await sqliteLedger(join(dir, 'ledger.db'))
  try {
    await ground.rpc('evm_setBlockGasLimit', [`0x${BLOCK_GAS.toString(16)}`])
    const payers = await ground.payers(PAYERS, upto)
    let arriving = true
    const batch = { maxDelayMs: 120_000, min: 2 }
    const serving = () => (arriving ? 2 : 0)
    const engine = await ground.open({
      ledger,
      pollMs: 500,
      delegate: upto,
      batch: { ...batch, max: 100 },
      serving,
    })
    if (upto) await delegated(engine)
    await ground.rpc('evm_setAutomine', [false])
    await ground.rpc('evm_setIntervalMining', [BLOCK_SECONDS])
    const first = await block(ground)
    const start = performance.now()
    const owed: Promise<unknown>[] = []
    for (let i = 0; i < payments; i++)
      owed.push(
        engine.owe(
          payers[i % PAYERS]!,
          upto ? { kind: 'upto', signed: 100n, charged: 60n } : { signed: 100n },
        ),
      )
    await Promise.all(owed)
    const signed = performance.now()
    arriving = false
    const pace = await settled(engine, payments)
    const blocks = await between(ground, first, await block(ground))
    await engine.settler.stop()
    return report({ payments, upto, signing: signed - start, pace, blocks })
  } finally {
    await ledger.close()
    await ground.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

const delegated = async ({ said }: Engine): Promise<void> => {
  while (!said.includes('settler_delegated')) await systemClock.sleep(100)
}

const block = (ground: Settling, at: Hex | 'latest' = 'latest') =>
  ground.rpc<Block>('eth_getBlockByNumber', [at, false])

const between = (ground: Settling, first: Block, last: Block): Promise<Block[]> => {
  const from = Number(first.number) + 1
  const numbers = Array.from({ length: Number(last.number) - from + 1 }, (_, i) => from + i)
  return Promise.all(numbers.map((number) => block(ground, `0x${number.toString(16)}`)))
}

type Pace = { at: number; left: number }[]

/** How many were left, and when, each time that some had settled. */
const settled = async ({ settler }: Engine, payments: number): Promise<Pace> => {
  const start = performance.now()
  const pace: Pace = [{ at: 0, left: payments }]
  while (settler.pending() > 0 && performance.now() - start < LONGEST_MS) {
    await systemClock.sleep(50)
    const left = settler.pending()
    if (left !== pace.at(-1)!.left) pace.push({ at: performance.now() - start, left })
  }
  return pace
}

const report = (facts: {
  payments: number
  upto: boolean
  signing: number
  pace: Pace
  blocks: readonly Block[]
}) => {
  const { payments, upto, signing, pace, blocks } = facts
  const busy = blocks.filter((one) => one.transactions.length > 0)
  const gas = busy.reduce((sum, one) => sum + Number(one.gasUsed), 0)
  // The last block holds what was left over.
  const full = busy.slice(0, -1)
  const fill =
    full.reduce((sum, one) => sum + Number(one.gasUsed) / Number(one.gasLimit), 0) / (full.length || 1)
  const left = pace.at(-1)!.left
  return {
    scheme: upto ? 'upto, by the settler’s own account' : 'exact, by Multicall3',
    payments,
    unsettled: left,
    intake: { seconds: round(signing / 1000), perSecond: Math.round((payments / signing) * 1000) },
    blocks: busy.length,
    transactions: busy.reduce((sum, one) => sum + one.transactions.length, 0),
    gasPerPayment: Math.round(gas / (payments - left)),
    settledPerSecond: round((payments - left) / (busy.length * BLOCK_SECONDS)),
    wallSeconds: round(pace.at(-1)!.at / 1000),
    blockFill: round(fill),
    limitedByBlockGas: fill > 0.8,
  }
}

const round = (value: number): number => Math.round(value * 100) / 100

const [payments = '4000', scheme] = process.argv.slice(2)
process.stdout.write(`${JSON.stringify(await run(Number(payments), scheme === 'upto'), null, 2)}\n`)

// Measures on a local chain what one settled call costs in gas, by the way it is settled and the number settled
// together. Run: node bench/gas/measure.ts. Writes results.json and gas.svg beside itself, prints JSON and a table.
import { writeFileSync } from 'node:fs'
import type { Address, Hex } from 'viem'
import { encodeFunctionData } from 'viem'
import { batchSettlementAbi } from '../../contracts-abi/batch-settlement.ts'
import { multicall3Abi } from '../../contracts-abi/multicall3.ts'
import { execute } from '../../src/chain/executor.ts'
import { startAnvil } from '../../src/cli/demo/localnet.ts'
import { x402 } from '../../test/support/x402-contracts.ts'
import type { Bench } from './chain.ts'
import { openBench, payTo, price } from './chain.ts'
import type { Row } from './report.ts'
import { plot, table } from './report.ts'
import { channel, eip3009Call, exactCall, randomNonce, uptoCall } from './sign.ts'

const sizes = [1, 10, 50, 100]
const vouchers = 50
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

const net = await startAnvil()
try {
  const bench = await openBench(net, Math.max(...sizes))
  const rows = [...(await payments(bench)), ...(await channels(bench))]
  const about =
    'Gas of one settled call on anvil, TestUSDC behind a proxy as USDC is; the transaction base cost is included.'
  const json = `${JSON.stringify({ about, vouchersPerChannel: vouchers, rows }, null, 2)}\n`
  writeFileSync(new URL('results.json', import.meta.url), json)
  writeFileSync(new URL('gas.svg', import.meta.url), plot(rows, sizes))
  console.log(json)
  console.log(table(rows, sizes))
} finally {
  await net.stop()
}

async function payments(bench: Bench): Promise<Row[]> {
  const { usdc, payers, settler } = bench
  const rows: Row[] = []
  const run = async (way: string, of: (n: number) => Promise<bigint>) => {
    for (const n of sizes) {
      const gas = await of(n)
      rows.push({ way, n, gas: Number(gas), gasPerCall: Math.round(Number(gas) / n) })
    }
  }
  // One payer's nonces in sequence share a word of Permit2's bitmap, which the first of them has opened.
  let nonce = 0n
  const sequential = () => nonce++
  const one = payers[0]!
  await bench.send(x402.exactProxy, await exactCall(one, usdc, sequential()))
  const distinct = (n: number) => payers.slice(0, n)
  const same = (n: number) => Array.from({ length: n }, () => one)

  await run('exact EIP-3009, a transaction each', async (n) => {
    let gas = 0n
    for (const payer of distinct(n)) gas += (await bench.send(usdc, await eip3009Call(payer, usdc))).gas
    return gas
  })
  const exact3009 = (payer: typeof one) => eip3009Call(payer, usdc)
  await run('exact EIP-3009, Multicall3, distinct payers', async (n) =>
    multicall(bench, usdc, await Promise.all(distinct(n).map(exact3009))),
  )
  await run('exact EIP-3009, Multicall3, one payer', async (n) =>
    multicall(bench, usdc, await Promise.all(same(n).map(exact3009))),
  )
  await run('exact Permit2, Multicall3, one payer, nonces in sequence', async (n) =>
    multicall(
      bench,
      x402.exactProxy,
      await Promise.all(same(n).map((p) => exactCall(p, usdc, sequential()))),
    ),
  )
  await run('exact EIP-3009, own batch (EIP-7702), distinct payers', async (n) =>
    ownBatch(bench, usdc, await Promise.all(distinct(n).map(exact3009))),
  )
  await run('exact Permit2, own batch, one payer, nonces in sequence', async (n) =>
    ownBatch(bench, x402.exactProxy, await Promise.all(same(n).map((p) => exactCall(p, usdc, sequential())))),
  )
  await run('upto, own batch (EIP-7702), distinct payers', async (n) => {
    const calls = distinct(n).map((payer) => uptoCall(payer, usdc, settler, randomNonce()))
    return ownBatch(bench, x402.uptoProxy, await Promise.all(calls))
  })
  await run('upto, own batch (EIP-7702), one payer, nonces in sequence', async (n) => {
    const calls = same(n).map((payer) => uptoCall(payer, usdc, settler, sequential()))
    return ownBatch(bench, x402.uptoProxy, await Promise.all(calls))
  })
  return rows
}

// The second round is measured: in the first, a channel's totals leave zero, which happens once in its life.
async function channels(bench: Bench): Promise<Row[]> {
  const { usdc, payers, settler } = bench
  const rows: Row[] = []
  let salt = 0
  for (const n of [1, 10, 50]) {
    const open = await Promise.all(payers.slice(0, n).map((payer) => channel(payer, usdc, settler, ++salt)))
    for (const { deposit } of open) await bench.send(x402.batchSettlement, deposit)
    let gas = 0n
    for (const round of [1n, 2n]) {
      const total = round * BigInt(vouchers) * price
      const claims = await Promise.all(open.map(({ claim }) => claim(total)))
      const claimed = { functionName: 'claim', args: [claims] } as const
      const settled = { functionName: 'settle', args: [payTo, usdc] } as const
      gas = 0n
      for (const call of [claimed, settled]) {
        const data = encodeFunctionData({ abi: batchSettlementAbi, ...call })
        gas += (await bench.send(x402.batchSettlement, data)).gas
      }
    }
    const way = `channels, ${vouchers} vouchers each, claim and settle`
    rows.push({ way, n, gas: Number(gas), gasPerCall: Math.round(Number(gas) / n / vouchers) })
  }
  return rows
}

async function multicall(bench: Bench, target: Address, calls: Hex[]): Promise<bigint> {
  const items = calls.map((callData) => ({ target, allowFailure: true, callData }))
  const data = encodeFunctionData({ abi: multicall3Abi, functionName: 'aggregate3', args: [items] })
  return settledAll(await bench.send(x402.multicall3, data), calls.length)
}

async function ownBatch(bench: Bench, target: Address, calls: Hex[]): Promise<bigint> {
  const data = execute(calls.map((one) => ({ target, data: one, gas: 150_000n })))
  return settledAll(await bench.send(bench.settler, data), calls.length)
}

// Both batches let a call fail, and a failed call is cheap: count what moved.
function settledAll({ gas, logs }: Awaited<ReturnType<Bench['send']>>, n: number): bigint {
  const moved = logs.filter(({ topics }) => topics[0] === transferTopic).length
  if (moved !== n) throw new Error(`${moved} of ${n} payments settled`)
  return gas
}

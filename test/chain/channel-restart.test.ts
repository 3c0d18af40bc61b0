import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployUsdc, type Localnet, mint, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { routerFiles, startRouter } from '../support/process.ts'
import { startUpstream } from '../support/upstream.ts'
import { CHAIN_ID, hello, PAY_TO } from '../support/world.ts'
import { placeX402 } from '../support/x402-contracts.ts'
import { ask, CHARGE, channelBuyer } from './channel-world.ts'

let net: Localnet
let token: `0x${string}`
beforeAll(async () => {
  net = await startAnvil({ chainId: CHAIN_ID })
  token = (await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })).address
  await placeX402(net.url)
})
afterAll(() => net?.stop())

const balance = async (of: string): Promise<bigint> => {
  const data = `0x70a08231${of.slice(2).toLowerCase().padStart(64, '0')}`
  return BigInt(await rpc<string>(net.url, 'eth_call', [{ to: token, data }, 'latest']))
}

const YAML = `
settler: { delegate: never }
channels: { claimAbove: "0.000001", claimAfterSeconds: 1 }
`

/** A router that dies at `point`, and another on the same ledger after it: what came of the calls at both. */
const crashAt = async (point: string, calls: number) => {
  const dir = mkdtempSync(join(tmpdir(), 'farebox-channel-'))
  const upstream = await startUpstream()
  const account = privateKeyToAccount(generatePrivateKey())
  const payTo = (await balance(PAY_TO)) as bigint
  await mint({
    url: net.url,
    deployerKey: net.accounts[0]!.privateKey,
    token,
    to: account.address,
    amount: 1_000_000n,
  })
  const settlerKey = net.accounts[1]!.privateKey
  const files = routerFiles({
    dir,
    rpc: net.url,
    chainId: CHAIN_ID,
    token,
    upstream: upstream.url,
    settlerKey,
  })
  appendFileSync(files.config, YAML)
  const seller = { net, token, usdt: '0x' } as never
  try {
    const first = await startRouter(files, point)
    const buyer = channelBuyer(seller, account)
    const body = hello()
    const shown: string[] = []
    let complete = 0
    for (let i = 0; i < calls; i++) {
      const answer = await buyer.fetch(`${first.url}/v1/chat/completions`, ask(body)).catch(() => undefined)
      if (answer?.status === 200) complete++
    }
    const died = await Promise.race([
      first.ended,
      new Promise((resolve) => setTimeout(() => resolve('lives'), 8_000)),
    ])
    first.kill('SIGKILL')
    await first.ended
    const second = await startRouter(files)
    const chat = `${second.url}/v1/chat/completions`
    const again = channelBuyer(seller, account)
    for (let i = 0; i < 2; i++) {
      const answer = await again.fetch(chat, ask(body))
      expect(answer.status, await answer.clone().text()).toBe(200)
      shown.push(answer.headers.get('x-farebox-call')!)
    }
    const charged = async () => {
      const calls = shown.map(
        async (id) => (await (await fetch(`${second.url}/v1/calls/${id}`)).json()) as { charged: string },
      )
      return (await Promise.all(calls)).map((one) => one.charged)
    }
    expect(await charged()).toEqual(['14', '14'])
    // Everything that was served is claimed, once.
    const asked = BigInt(upstream.seen.length)
    const claimed = async () => (await balance(PAY_TO)) - payTo
    await expect.poll(claimed, { timeout: 15_000, interval: 200 }).toBe(asked * CHARGE)
    await new Promise((resolve) => setTimeout(resolve, 300))
    second.kill('SIGTERM')
    await second.ended
    const ledger = await sqliteLedger(files.db)
    try {
      expect(await checkInvariants(ledger, { now: Date.now() })).toEqual([])
      const [channel, ...more] = (await ledger.subjects(undefined, 1000)).filter(
        (one) => one.is === 'channel',
      )
      expect(more).toEqual([])
      const billed = (await ledger.calls(undefined, 100)).filter((one) => 'bill' in one.service)
      expect(channel!.charged).toBe(BigInt(billed.length) * CHARGE)
      expect(billed.length).toBeLessThanOrEqual(upstream.seen.length)
      expect(billed.length).toBeGreaterThanOrEqual(complete + 2)
      expect((await balance(PAY_TO)) - payTo).toBe(channel!.charged)
      // The payer is short of what is in its channel, and of nothing else.
      expect(await balance(account.address)).toBe(1_000_000n - channel!.balance)
    } finally {
      await ledger.close()
    }
    return { died, complete }
  } finally {
    await upstream.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

test.each([
  ['D2', 'once a deposit is ordered'],
  ['K6', 'once its transaction was sent'],
  ['K8', 'once the ledger has it'],
  ['K4', 'once the bill of a voucher is written'],
  ['C2', 'once a claim is ordered'],
])(
  'a kill -9 at %s, %s, loses nothing and charges nobody twice',
  async (point) => {
    const { died } = await crashAt(point, 1)
    expect(died).toBe('SIGKILL')
  },
  60_000,
)

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hex } from 'viem'
import { deployUsdc, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { systemClock } from '../../src/clock.ts'
import { isServing } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { openLedger } from '../../src/main.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { deployUsdt, placeX402 } from '../support/x402-contracts.ts'

const BIN = fileURLToPath(new URL('../../bin/farebox.js', import.meta.url))
const CHAIN_ID = 84532
const SECRET = 'a-quote-secret-that-is-long-enough-for-fuzz'

/** A router as its operator starts it, with everything switched on, between a chain and a provider of its own. */
export type Site = {
  url: string
  upstream: Upstream
  /** Texts that no answer may hold. */
  secrets: readonly string[]
  /** What is wrong by now, apart from answers: it died, it logged a bug, it asked its provider, money or gas moved. */
  troubles: () => Promise<string[]>
  /** Resident memory of the router, MB; 0 where the system does not tell. */
  memory: () => number
  /** For how long the router has waited for a processor, ms; 0 where the system does not tell. */
  starved: () => number
  /** Ends the chain for good. */
  stopChain: () => Promise<void>
  /** Ends the router as its operator would, and says what is wrong with what it leaves behind. */
  leave: () => Promise<string[]>
  close: () => Promise<void>
}

/** Starts one; `scripts` are run before the router's own code, to break it on purpose. */
export const openSite = async (...scripts: readonly string[]): Promise<Site> => {
  const net = await startAnvil({ chainId: CHAIN_ID })
  const deployer = { url: net.url, deployerKey: net.accounts[0]!.privateKey }
  const token = (await deployUsdc(deployer)).address
  await placeX402(net.url)
  const usdt = (await deployUsdt(deployer)).address
  const upstream = await startUpstream()
  const dir = mkdtempSync(join(tmpdir(), 'farebox-fuzz-'))
  const payTo: Hex = `0x${randomBytes(20).toString('hex')}`
  const settler = net.accounts[1]!
  const places = { dir, rpc: net.url, payTo, token, usdt, upstream: upstream.url }
  const child = await startChild(places, settler.privateKey, scripts)

  const chain = async (): Promise<string[]> => {
    const to = `0x${payTo.slice(2).padStart(64, '0')}`
    const filter = { fromBlock: '0x0', toBlock: 'latest', topics: [TRANSFER, null, to] }
    const logs = await rpc<unknown[]>(net.url, 'eth_getLogs', [filter])
    const sent = Number(await rpc<Hex>(net.url, 'eth_getTransactionCount', [settler.address, 'pending']))
    return [
      ...(logs.length > 0 ? [`the chain shows ${logs.length} payments`] : []),
      ...(sent > 0 ? [`the settler has sent ${sent} transactions`] : []),
    ]
  }
  const troubles = async () => [
    ...child.troubles(),
    ...(upstream.seen.length > 0
      ? [
          `the provider was asked ${upstream.seen.length} times, first: ${JSON.stringify(upstream.seen[0]!.body).slice(0, 300)}`,
        ]
      : []),
    ...(await chain()),
  ]
  return {
    url: child.url,
    upstream,
    secrets: [SECRET, settler.privateKey.slice(2), dir, dirname(dirname(BIN)), net.url, upstream.url],
    troubles,
    memory: child.memory,
    starved: child.starved,
    stopChain: net.stop,
    leave: async () => {
      const before = await troubles()
      const code = await child.end()
      return [...before, ...(code === '0' ? [] : [`it ended with ${code}`]), ...(await ledgerTroubles(dir))]
    },
    close: async () => {
      await child.kill()
      await upstream.close()
      await net.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

const ledgerTroubles = async (dir: string): Promise<string[]> => {
  const ledger = await openLedger(`sqlite:${join(dir, 'ledger.db')}`, systemClock)
  try {
    const [open, errands] = [await ledger.open(), await ledger.openErrands()]
    const violations = await checkInvariants(ledger, { now: Date.now() })
    return [
      ...open.map((call) => `call ${call.id} is ${isServing(call) ? 'being served' : 'open'}`),
      ...errands.map(({ id, task }) => `errand ${id} (${task.kind}) is open`),
      ...violations.map((one) => `the ledger: ${JSON.stringify(one)}`),
    ].slice(0, 10)
  } finally {
    await ledger.close()
  }
}

type Places = { dir: string; rpc: string; payTo: Hex; token: Hex; usdt: Hex; upstream: string }

type Child = {
  url: string
  troubles: () => string[]
  memory: () => number
  starved: () => number
  end: () => Promise<string>
  kill: () => Promise<void>
}

const startChild = async (places: Places, settlerKey: Hex, scripts: readonly string[]): Promise<Child> => {
  const config = join(places.dir, 'farebox.yaml')
  writeFileSync(config, yaml(places))
  const args = ['serve', '--config', config]
  const before = scripts.flatMap((one) => ['--import', `data:text/javascript,${encodeURIComponent(one)}`])
  const child = spawn(process.execPath, [...before, BIN, ...args], {
    env: { ...process.env, FAREBOX_QUOTE_SECRET: SECRET, FAREBOX_SETTLER_KEY: settlerKey },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let over: string | undefined
  const ended = new Promise<string>((resolve) =>
    child.once('exit', (code, signal) => {
      over = signal ?? String(code)
      resolve(over)
    }),
  )
  const log = listenTo(child)
  const url = await Promise.race([
    log.url,
    ended.then((how) => {
      throw new Error(`the router did not start (${how}): ${log.errors().join('\n').slice(-2000)}`)
    }),
  ])
  return {
    url,
    troubles: () => [
      ...(over === undefined ? [] : [`the router is dead (${over})`]),
      ...log
        .errors()
        .slice(0, 3)
        .map((line) => `it logged ${line.slice(0, 1500)}`),
    ],
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(told(child, 'status'))?.[1] ?? 0) >> 10,
    starved: () => Number(/^\d+ (\d+)/.exec(told(child, 'schedstat'))?.[1] ?? 0) / 1e6,
    end: () => {
      child.kill('SIGTERM')
      return Promise.race([
        ended,
        new Promise<string>((resolve) => setTimeout(() => resolve('nothing after 20 s'), 20_000).unref()),
      ])
    },
    kill: async () => {
      if (over === undefined) child.kill('SIGKILL')
      await ended
    },
  }
}

/** What Linux tells of a process; nothing elsewhere. */
const told = ({ pid }: ChildProcess, what: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'utf8')
  } catch {
    return ''
  }
}

// Whatever is no line of the log, or is one of an error, is kept.
const listenTo = (child: ChildProcess): { url: Promise<string>; errors: () => string[] } => {
  const errors: string[] = []
  let rest = ''
  let tell: (url: string) => void
  const url = new Promise<string>((resolve) => {
    tell = resolve
  })
  child.stdout?.on('data', (part: Buffer) => {
    const lines = (rest + part.toString('utf8')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const found = /"url":"(http[^"]+)"/.exec(line)?.[1]
      if (found) tell(found)
      if (!/^\{"level":(10|20|30|40),/.test(line) && errors.length < 100) errors.push(line)
    }
  })
  child.stderr?.on('data', (part: Buffer) => {
    if (errors.length < 100) errors.push(part.toString('utf8').trim())
  })
  return { url, errors: () => errors }
}

const yaml = ({ dir, rpc: node, payTo, token, usdt, upstream }: Places): string => `
server: { port: 0, bodyLimit: 262144 }
store: "sqlite:${join(dir, 'ledger.db')}"
settler: { delegate: never }
facilitator: { serve: { enabled: true } }
limits: { unpaid: { perAddress: false }, paid: { perAddress: false, perPayer: false }, signIn: { perAddress: false } }
chains:
  - id: eip155:${CHAIN_ID}
    rpc: ["${node}"]
    payTo: "${payTo}"
    confirmations: 1
    pollMs: 500
    assets:
      - { symbol: USDC, address: "${token}", decimals: 6, name: USD Coin, version: "2", methods: [eip3009, permit2], eip2612: true }
      - { symbol: USDT, address: "${usdt}", decimals: 6, methods: [permit2] }
providers: [{ id: up, type: openai, baseUrl: "${upstream}" }]
models:
  - { id: test/small, hosts: [{ provider: up, model: upstream-model }], inputPerMillion: "1", outputPerMillion: "2", context: 8000, maxOutput: 1000 }
  - { id: test/large, hosts: [{ provider: up, model: upstream-large }], inputPerMillion: "100", outputPerMillion: "200", context: 128000, maxOutput: 16000 }
`

/**
 * The crash matrix: a router is killed with SIGKILL at a named point of a paid call, started again, and judged by what
 * the chain, the provider and the client saw. `npm run campaign` runs the long form; the test suite a short one.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalAccount, parseAbiItem } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import type { ChainId, Hex } from '../../src/assets.ts'
import { createChain } from '../../src/chain/chain.ts'
import { deployUsdc, type Localnet, localClient, mint, startAnvil } from '../../src/cli/demo/localnet.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { reconcile } from '../../src/reconcile/reconcile.ts'
import { header, offersOf, post, signOffer } from '../support/pay.ts'
import { type RouterFiles, routerFiles, startRouter } from '../support/process.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { hello, PAY_TO } from '../support/world.ts'

export type Mode = 'json' | 'sse'
export type Outcome = { name: string; served: number; transfers: number; charged: string; problems: string[] }

/** Where a router can be told to die, and what the provider and the chain may have seen when all is over. */
export const POINTS = {
  K0: { upstream: [0], transfers: [0] },
  K1: { upstream: [0], transfers: [0] },
  K2: { upstream: [0], transfers: [0] },
  K3: { upstream: [0], transfers: [0] },
  K4: { upstream: [1], transfers: [1] },
  K5: { upstream: [1], transfers: [1] },
  K6: { upstream: [1], transfers: [1] },
  K7: { upstream: [1], transfers: [1] },
  K8: { upstream: [1], transfers: [1] },
} as const satisfies Record<string, { upstream: readonly number[]; transfers: readonly number[] }>

export type Point = keyof typeof POINTS

type Site = {
  net: Localnet
  token: Hex
  upstream: Upstream
  payer: LocalAccount
  files: RouterFiles
  dir: string
}

const BUDGET = 1_000_000n

/** Kills a router at one point of one call, restarts it, and tells what is left. */
export const crashAt = async (net: Localnet, token: Hex, point: Point, mode: Mode): Promise<Outcome> => {
  const site = await openSite(net, token)
  try {
    const body = hello({ stream: mode === 'sse' })
    const first = await startRouter(site.files, point)
    const chat = `${first.url}/v1/chat/completions`
    const offer = offersOf(await post(chat, body))[0]!
    const payment = { 'payment-signature': header(await signOffer(site.payer, offer)) }
    await post(chat, body, payment)
      .then((one) => one.text())
      .catch(() => 'lost')
    const how = await Promise.race([first.ended, after(15_000)])
    const problems = how === 'SIGKILL' ? [] : [`the router was to die at ${point}, but: ${how}`]
    if (how !== 'SIGKILL') first.kill('SIGKILL')

    const second = await startRouter(site.files)
    const seenBefore = site.upstream.seen.length
    if (point !== 'K0') problems.push(...(await replay(second.url, body, payment)))
    if (site.upstream.seen.length !== seenBefore)
      problems.push('a replay after the crash reached the provider')
    second.kill('SIGTERM')
    await second.ended
    const outcome = await judge(site, `${point} ${mode}`)
    const allowed = POINTS[point]
    if (!(allowed.upstream as readonly number[]).includes(outcome.served))
      problems.push(`the provider was asked ${outcome.served} times`)
    if (!(allowed.transfers as readonly number[]).includes(outcome.transfers))
      problems.push(`${outcome.transfers} transfers`)
    return { ...outcome, problems: [...problems, ...outcome.problems] }
  } finally {
    await closeSite(site)
  }
}

/** Kills a router at a random moment while calls run, `calls` of them, restarts it, and tells what is left. */
export const crashAnywhere = async (
  net: Localnet,
  token: Hex,
  random: () => number,
  calls: number,
): Promise<Outcome> => {
  const site = await openSite(net, token)
  try {
    const first = await startRouter(site.files)
    const wait = Math.floor(random() * 400)
    const buying = Array.from({ length: calls }, (_, i) => buyOne(first.url, site.payer, i % 2 === 0))
    setTimeout(() => first.kill('SIGKILL'), wait)
    const answers = await Promise.all(buying)
    await first.ended
    const second = await startRouter(site.files)
    const problems: string[] = []
    for (const { body, payment } of answers) {
      if (payment) problems.push(...(await replay(second.url, body, payment, true)))
    }
    second.kill('SIGTERM')
    await second.ended
    const outcome = await judge(site, `random kill after ${wait} ms, ${calls} calls`)
    const complete = answers.filter((one) => one.complete).length
    if (outcome.transfers < complete)
      problems.push(`${complete} complete answers, but ${outcome.transfers} transfers`)
    if (outcome.served > calls)
      problems.push(`${calls} payments, but the provider was asked ${outcome.served} times`)
    return { ...outcome, problems: [...problems, ...outcome.problems] }
  } finally {
    await closeSite(site)
  }
}

const buyOne = async (url: string, payer: LocalAccount, stream: boolean) => {
  const body = hello({ stream })
  const chat = `${url}/v1/chat/completions`
  let payment: Record<string, string> | undefined
  try {
    const offer = offersOf(await post(chat, body))[0]!
    payment = { 'payment-signature': header(await signOffer(payer, offer)) }
    const answer = await post(chat, body, payment)
    const text = await answer.text()
    return { body, payment, complete: answer.status === 200 && (!stream || text.includes('[DONE]')) }
  } catch {
    return { body, payment, complete: false }
  }
}

/** Presents the same payment again until its call has come to rest: it must never be served a second time. */
const replay = async (
  url: string,
  body: unknown,
  payment: Record<string, string>,
  mayBeNew = false,
): Promise<string[]> => {
  const again = await post(`${url}/v1/chat/completions`, body, payment)
  await again.text()
  if (again.status === 200 && !mayBeNew) return ['the same payment was served again']
  if (again.status === 402) return []
  if (again.status !== 409 && again.status !== 200) return [`a replay got ${again.status}`]
  const id = again.headers.get('x-farebox-call')
  for (let i = 0; i < 200; i++) {
    const call = (await (await fetch(`${url}/v1/calls/${id}`)).json()) as {
      settlement: string
      service: string
    }
    if (['settled', 'lost', 'none'].includes(call.settlement)) return []
    await after(50)
  }
  return [`call ${id} did not come to rest in 10 s`]
}

/** The oracle: the chain's logs and the provider's log against the ledger file. */
const judge = async (site: Site, name: string): Promise<Outcome> => {
  const client = await localClient(site.net.url, site.net.accounts[0]!.privateKey)
  const logs = await client.getLogs({
    address: site.token,
    event: parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)'),
    args: { from: site.payer.address, to: PAY_TO },
    fromBlock: 0n,
  })
  const ledger = await sqliteLedger(site.files.db)
  const id: ChainId = `eip155:${site.net.chainId}`
  const chain = createChain(id, [site.net.url])
  try {
    const asset = {
      chain: id,
      address: site.token.toLowerCase() as Hex,
      symbol: 'USDC',
      decimals: 6,
      name: 'USD Coin',
      version: '2',
      methods: ['eip3009'] as const,
    }
    const violations = await checkInvariants(ledger, { now: Date.now() })
    const calls = await ledger.calls(undefined, 10_000)
    const mine = new Set(logs.map((log) => log.transactionHash))
    const report = await reconcile({
      ledger,
      chain,
      tills: [{ asset, payTo: PAY_TO }],
      from: firstBlock(site),
    })
    const bills = calls.map((call) => ('bill' in call.service ? call.service.bill.charged : 0n))
    const problems = [
      ...violations.map((one) => `${one.invariant}: ${one.subject} ${one.detail}`),
      ...(calls.some((call) => call.settlement.at === 'settling' || call.settlement.at === 'included')
        ? ['a payment is still open']
        : []),
      ...(calls.some((call) => ['claimed', 'dispatched', 'streaming'].includes(call.service.at))
        ? ['a service is still open']
        : []),
      ...(report.agrees ? [] : [`the ledger and the chain differ: ${JSON.stringify(report).slice(0, 500)}`]),
    ]
    return {
      name,
      served: site.upstream.seen.length,
      transfers: mine.size,
      charged: bills.reduce((sum, one) => sum + one, 0n).toString(),
      problems,
    }
  } finally {
    await ledger.close()
    await chain.close()
  }
}

const starts = new WeakMap<Site, bigint>()
const firstBlock = (site: Site): bigint => starts.get(site)!

const openSite = async (net: Localnet, token: Hex): Promise<Site> => {
  const payer = privateKeyToAccount(generatePrivateKey())
  await mint({
    url: net.url,
    deployerKey: net.accounts[0]!.privateKey,
    token,
    to: payer.address,
    amount: BUDGET,
  })
  const upstream = await startUpstream()
  const dir = mkdtempSync(join(tmpdir(), 'farebox-crash-'))
  const files = routerFiles({
    dir,
    rpc: net.url,
    chainId: net.chainId,
    token,
    upstream: upstream.url,
    settlerKey: net.accounts[1]!.privateKey,
  })
  const site = { net, token, upstream, payer, files, dir }
  starts.set(site, (await (await localClient(net.url, net.accounts[0]!.privateKey)).getBlockNumber()) + 1n)
  return site
}

const closeSite = async ({ upstream, dir }: Site): Promise<void> => {
  await upstream.close()
  rmSync(dir, { recursive: true, force: true })
}

const after = (ms: number): Promise<string> =>
  new Promise((resolve) => setTimeout(() => resolve(`${ms} ms passed`), ms))

/** A small seeded generator, so that a failing run can be repeated. */
export const seeded = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const main = async (): Promise<void> => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  const kills = Number(process.env['KILLS'] ?? 25)
  const rounds = Number(process.env['ROUNDS'] ?? 3)
  console.log(`crash campaign: seed ${seed}, ${rounds} rounds of the matrix, ${kills} random kills`)
  const net = await startAnvil()
  const token = (await deployUsdc({ url: net.url, deployerKey: net.accounts[0]!.privateKey })).address
  const random = seeded(seed)
  let bad = 0
  const tell = ({ name, served, transfers, charged, problems }: Outcome) => {
    bad += problems.length
    console.log(
      `${problems.length === 0 ? 'ok ' : 'BAD'} ${name.padEnd(40)} provider ${served}, transfers ${transfers}, charged ${charged}`,
    )
    for (const problem of problems) console.log(`      ${problem}`)
  }
  try {
    for (let round = 0; round < rounds; round++) {
      for (const point of Object.keys(POINTS) as Point[]) {
        for (const mode of ['json', 'sse'] as const) tell(await crashAt(net, token, point, mode))
      }
    }
    for (let i = 0; i < kills; i++) tell(await crashAnywhere(net, token, random, 8))
  } finally {
    await net.stop()
  }
  console.log(bad === 0 ? 'nothing lost' : `${bad} problems`)
  process.exitCode = bad === 0 ? 0 : 1
}

if (process.argv[1]?.endsWith('crash.ts')) await main()

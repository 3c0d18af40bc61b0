import { join } from 'node:path'
import { type Hex, type LocalAccount, parseAbi, parseSignature } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { localClient, mint } from '../../src/cli/demo/localnet.ts'
import { ledgerVerify } from '../../src/cli/ledger-verify.ts'
import { reconcileCommand } from '../../src/cli/reconcile.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { type Report, reconcile } from '../../src/reconcile/reconcile.ts'
import { buy, header, offersOf, post, signOffer } from '../support/pay.ts'
import { goodAnswer } from '../support/upstream.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

const transferAbi = parseAbi(['function transfer(address to, uint256 amount) returns (bool)'])

let world: World
let chain: Chain
let payer: LocalAccount
/** Everything before this block has been told of already. */
let from = 0n

beforeAll(async () => {
  world = await startWorld({ store: 'sqlite', confirmations: 2, extra: 'reconcile: { from: 1000000000 }' })
  chain = createChain(`eip155:${CHAIN_ID}`, [world.net.url])
  payer = await world.payer()
})
afterAll(async () => {
  await chain?.close()
  await world?.close()
})

const facts = () => ({ ledger: world.farebox.deps.ledger, chain, tills: world.farebox.deps.offers.tills })
const mine = (blocks: number) => world.rpc('anvil_mine', [blocks])

const buyOne = async (more: Record<string, unknown> = {}) => {
  const answer = await buy(world.chat, payer, hello(more))
  await answer.text()
  return answer.status
}

/** Two more blocks, and the settler has seen them. */
const confirm = async () => {
  const settler = world.farebox.deps.settler(`eip155:${CHAIN_ID}`)
  for (let look = 0; look < 200 && settler.pending() > 0; look++) {
    await mine(1)
    await settler.tick()
  }
  expect(settler.pending()).toBe(0)
}

/** What `farebox reconcile` says of the blocks since the last time. */
const news = async () => {
  const lines: string[] = []
  const command = (json: boolean) =>
    reconcileCommand({ ...facts(), from, json, out: (line) => lines.push(line) })
  const code = await command(true)
  const report = JSON.parse(lines.pop()!) as Report
  expect(await command(false)).toBe(code)
  from = BigInt(report.to) + 1n
  return { code, report, printed: lines.join('\n') }
}

const client = (n: number) => localClient(world.net.url, world.net.accounts[n]!.privateKey)

test('a chain on which nothing happened agrees with an empty ledger', async () => {
  expect(await reconcile(facts())).toMatchObject({ whole: true, agrees: true, findings: [] })
  from = 0n
})

test('a payment on its way is known, and matched when it has its confirmations', async () => {
  expect(await buyOne()).toBe(200)
  const settler = world.farebox.deps.settler(`eip155:${CHAIN_ID}`)
  await expect.poll(async () => (await chain.transfers(world.token, PAY_TO, 0n, 1_000n)).length).toBe(1)
  expect(settler.pending()).toBe(1)
  expect(await reconcile(facts())).toMatchObject({ agrees: true, counts: { in_flight: 1, matched: 0 } })
  await confirm()
  expect(await reconcile(facts())).toMatchObject({ agrees: true, counts: { in_flight: 0, matched: 1 } })
})

test('paid calls agree with the chain to the unit', async () => {
  expect(await Promise.all([buyOne(), buyOne({ stream: true }), buyOne()])).toEqual([200, 200, 200])
  await confirm()
  const { code, report, printed } = await news()
  expect(code).toBe(0)
  expect(report).toMatchObject({
    whole: true,
    agrees: true,
    counts: { matched: 4, unsolicited: 0, outflow: 0 },
  })
  const [total] = report.totals
  expect(BigInt(total!.ledger)).toBeGreaterThan(0n)
  expect([total!.booked, total!.matched, total!.chain]).toEqual(Array(3).fill(total!.ledger))
  expect(printed).toContain('✓ 4 matched')
  expect(printed).toContain('✓ The ledger agrees with the chain.')
})

test('while calls are being paid, every look finds agreement', async () => {
  let buying = true
  const reports: Report[] = []
  const looking = (async () => {
    while (buying || reports.length < 6) reports.push(await reconcile(facts()))
  })()
  for (let i = 0; i < 8; i++) {
    expect(await buyOne()).toBe(200)
    await mine(1)
  }
  await confirm()
  buying = false
  await looking
  expect(reports.filter((report) => !report.agrees)).toEqual([])
  expect(reports.length).toBeGreaterThan(5)
  expect((await news()).report.counts).toMatchObject({ matched: 8 })
})

test('money that nobody asked for is found, sent or minted', async () => {
  const stranger = await client(2)
  const deployer = { url: world.net.url, deployerKey: world.net.accounts[0]!.privateKey }
  await mint({ ...deployer, token: world.token, to: stranger.account.address, amount: 500n })
  await mint({ ...deployer, token: world.token, to: PAY_TO, amount: 11n })
  const args = [PAY_TO, 7n] as const
  const transfer = { address: world.token, abi: transferAbi, functionName: 'transfer', args } as const
  await world.mined(await stranger.writeContract(transfer))
  const { code, report, printed } = await news()
  expect(code).toBe(1)
  expect(report.findings).toMatchObject([
    { kind: 'unsolicited', chain: '11', ledger: null, call: null },
    { kind: 'unsolicited', chain: '7', from: stranger.account.address.toLowerCase(), to: PAY_TO },
  ])
  expect(report.totals[0]).toMatchObject({ booked: '0', matched: '0', chain: '18' })
  expect(printed).toContain('✗ 2 unsolicited  received, and no call is known for it')
  expect(printed).toContain('0.000007 USDC')
  expect(printed).toContain('✗ The ledger and the chain differ.')
})

test('a sweep of what was received is found', async () => {
  const data: Hex = `0xa9059cbb${'22'.repeat(20).padStart(64, '0')}${(5).toString(16).padStart(64, '0')}`
  await world.act(PAY_TO, world.token, data)
  const { code, report } = await news()
  expect(code).toBe(1)
  expect(report.findings).toMatchObject([
    { kind: 'outflow', from: PAY_TO, to: `0x${'22'.repeat(20)}`, chain: '5' },
  ])
  expect(report.totals[0]).toMatchObject({ chain: '-5' })
})

test('the authorization of a released call, submitted by somebody else, is found with its call', async () => {
  world.upstream.script(({ response }) => void response.writeHead(500).end('no'))
  const offer = offersOf(await post(world.chat, hello()))[0]!
  const payment = await signOffer(payer, offer)
  const refused = await post(world.chat, hello(), { 'payment-signature': header(payment) })
  expect(refused.status).toBe(502)
  world.upstream.script(goodAnswer)
  expect((await news()).report).toMatchObject({ agrees: true, findings: [] })

  const { authorization, signature } = payment.payload
  const { v, r, s } = parseSignature(signature)
  const stranger = await client(2)
  const amounts = [authorization.value, authorization.validAfter, authorization.validBefore].map(BigInt)
  const hash = await stranger.writeContract({
    address: world.token,
    abi: eip3009Abi,
    functionName: 'transferWithAuthorization',
    args: [
      authorization.from,
      authorization.to,
      amounts[0]!,
      amounts[1]!,
      amounts[2]!,
      authorization.nonce,
      Number(v),
      r,
      s,
    ],
  })
  await world.mined(hash)
  const { code, report } = await news()
  expect(code).toBe(1)
  const calls = await world.farebox.deps.ledger.calls(undefined, 1000)
  const released = calls.find((call) => call.nonce === authorization.nonce)!
  expect(released).toMatchObject({ service: { at: 'released' }, settlement: { at: 'none' } })
  expect(report.findings).toMatchObject([
    { kind: 'missing_in_ledger', call: released.id, chain: offer.amount, ledger: offer.amount },
  ])
})

test('a range of blocks is compared by itself', async () => {
  const all = await reconcile(facts())
  const last = all.findings.findLast((finding) => finding.kind === 'matched')!
  const block = BigInt(last.block)
  const report = await reconcile({ ...facts(), from: block, to: block })
  expect(report).toMatchObject({
    from: last.block,
    to: last.block,
    whole: false,
    agrees: true,
    findings: [last],
  })
})

test('the ledger of all this holds what it promises, and says so', async () => {
  const { ledger, exposure } = world.farebox.deps
  const lines: string[] = []
  const verify = (json: boolean, now = Date.now()) =>
    ledgerVerify({ ledger, exposure, now, json, out: (line) => lines.push(line) })
  expect(await verify(false)).toBe(0)
  expect(lines.at(-1)).toBe('All of it holds.')
  expect(lines.filter((line) => line.startsWith('✗'))).toEqual([])
  expect(await verify(true)).toBe(0)
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ holds: true, open: 0, violations: [] })
})

test('payments that a reorganisation took away while nobody watched are found', async () => {
  const other = await startWorld({ store: 'sqlite' })
  const fork = createChain(`eip155:${CHAIN_ID}`, [other.net.url])
  try {
    const buyer = await other.payer()
    await (await buy(other.chat, buyer, hello())).text()
    await other.settle()
    const before = await fork.head()
    for (let i = 0; i < 2; i++) await (await buy(other.chat, buyer, hello())).text()
    await other.settle()
    const { tills } = other.farebox.deps.offers
    await other.farebox.close()
    const depth = (await fork.head()).number - before.number
    await other.rpc('anvil_reorg', [Number(depth), []])

    const ledger = await sqliteLedger(join(other.dir, 'ledger.db'))
    const report = await reconcile({ ledger, chain: fork, tills })
    await ledger.close()
    expect(report).toMatchObject({ agrees: false, counts: { matched: 1, reorged: 2 } })
    const [total] = report.totals
    expect(total!.ledger).toBe(total!.booked)
    expect(total!.chain).toBe(total!.matched)
    expect(BigInt(total!.matched)).toBeLessThan(BigInt(total!.ledger))
  } finally {
    await fork.close()
    await other.close()
  }
})

import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Chain, createChain } from '../../src/chain/chain.ts'
import { addressOf } from '../../src/chain/signatures.ts'
import { reconcileChains } from '../../src/cli/reconcile-chains.ts'
import { systemClock } from '../../src/clock.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { ACCOUNT } from '../../src/ledger/moves.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { reconcile } from '../../src/reconcile/reconcile.ts'
import { repair } from '../../src/reconcile/repair.ts'
import { header, offerOf, offersOf, post, signOffer, signPermit2 } from '../support/pay.ts'
import { CHAIN_ID, hello, PAY_TO, startWorld, type World } from '../support/world.ts'

let world: World
let chain: Chain
let payer: LocalAccount

beforeAll(async () => {
  world = await startWorld({ store: 'sqlite', x402: true })
  chain = createChain(`eip155:${CHAIN_ID}`, [world.net.url])
  payer = await world.payer()
  await world.approve(payer)
})
afterAll(async () => {
  await chain?.close()
  await world?.close()
})

type Paid = { body: unknown; payment: string }

/** Pays for one call and returns what was sent, so that it can be sent again. */
const payOne = async (
  scheme: 'exact' | 'upto',
  method: 'eip3009' | 'permit2',
  note: string,
): Promise<Paid> => {
  const body = hello({ messages: [{ role: 'user', content: note }] })
  const offer = offerOf(offersOf(await post(world.chat, body)), scheme, { method })
  const payment = header(
    method === 'eip3009' ? await signOffer(payer, offer) : await signPermit2(payer, offer),
  )
  const answer = await post(world.chat, body, { 'payment-signature': payment })
  expect(answer.status, await answer.text()).toBe(200)
  return { body, payment }
}

const file = () => join(world.dir, 'ledger.db')
const facts = (ledger: Awaited<ReturnType<typeof sqliteLedger>>) => ({
  ledger,
  chain,
  tills: world.farebox.deps.offers.tills,
  settler: addressOf(world.config.secrets.settlerKey),
  clock: systemClock,
})

test('a ledger restored from a backup is repaired from the chain, and serves nothing twice', async () => {
  await payOne('exact', 'eip3009', 'before the backup')
  await world.settle()
  await world.farebox.close(1000)
  const backup = join(world.dir, 'backup.db')
  copyFileSync(file(), backup)

  await world.restart()
  const paid: Paid[] = []
  for (let i = 0; i < 20; i++) {
    const [scheme, method] = [
      ['exact', 'eip3009'],
      ['exact', 'permit2'],
      ['upto', 'permit2'],
    ][i % 3] as ['exact' | 'upto', 'eip3009' | 'permit2']
    paid.push(await payOne(scheme, method, `call ${i}`))
  }
  await world.settle()
  const calls = await world.farebox.deps.ledger.calls(undefined, 100)
  expect(calls.map((call) => call.settlement.at)).toEqual(Array(21).fill('settled'))
  const received = -(await world.farebox.deps.ledger.balance(
    `eip155:${CHAIN_ID}/${world.token.toLowerCase()}`,
    ACCOUNT.chain,
  ))
  await world.farebox.close(1000)

  copyFileSync(backup, file())
  const ledger = await sqliteLedger(file())
  const before = await reconcile(facts(ledger))
  expect(before).toMatchObject({ agrees: false, counts: { matched: 1, missing_in_ledger: 20 } })
  const oldEpoch = ledger.epoch
  const done = await repair(facts(ledger))
  expect(done.report).toMatchObject({
    agrees: true,
    counts: { matched: 1, suspense: 20, missing_in_ledger: 0 },
  })
  expect(done.epoch).toBeGreaterThan(oldEpoch)
  expect(ledger.epoch).toBe(done.epoch)
  const again = await repair(facts(ledger))
  expect(again).toMatchObject({ booked: 0, burnt: 0 })
  const book = `eip155:${CHAIN_ID}/${world.token.toLowerCase()}`
  expect(-(await ledger.balance(book, ACCOUNT.chain))).toBe(received)
  expect(await chain.balance(world.token, PAY_TO)).toBe(received)
  expect(await ledger.balance(book, ACCOUNT.suspense)).toBeGreaterThan(0n)
  expect(await checkInvariants(ledger, { now: Date.now() })).toEqual([])
  for (const finding of done.report.findings) {
    const errand = await ledger.errand(finding.call!)
    if (finding.kind === 'suspense') expect(errand?.claim).toContain(payer.address.toLowerCase())
  }
  await ledger.close()

  await world.restart()
  const asked = world.upstream.seen.length
  for (const { body, payment } of paid) {
    const answer = await post(world.chat, body, { 'payment-signature': payment })
    const { error } = (await answer.json()) as { error: { code: string } }
    expect([answer.status, error.code]).toEqual([409, 'payment_already_used'])
  }
  expect(world.upstream.seen.length).toBe(asked)
  await world.settle()
  expect(await chain.balance(world.token, PAY_TO)).toBe(received)
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

test('the command repairs only what nobody serves from', async () => {
  const lines: string[] = []
  const command = () =>
    reconcileChains({
      config: world.config,
      openLedger: (store) => sqliteLedger(store.slice('sqlite:'.length)),
      options: { repair: true, json: true },
      out: (line) => lines.push(line),
    })
  await expect(command()).rejects.toThrow(/another Farebox is serving/)
  await world.farebox.close(1000)
  expect(await command()).toBe(0)
  expect(JSON.parse(lines[0]!)).toMatchObject({ booked: 0, report: { agrees: true } })
  await world.restart()
})

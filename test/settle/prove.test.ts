import { expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import type { Payable } from '../../src/ledger/moves.ts'
import type { Job } from '../../src/settle/jobs.ts'
import { type Finding, prove } from '../../src/settle/prove.ts'
import { aCall, aHead, aJob, aPayout, aTx, fakeChain, inBlock, moved, NOW, used } from './a-job.ts'

const call = aCall(1)
const ours = aTx(call, 0)
const THEIRS = `0x${'77'.repeat(32)}` as const
const HALF_A_MINUTE = 30_000

type World = ReturnType<typeof fakeChain>
type Moment = { timestamp?: number; later?: number; confirmations?: number; company?: readonly Payable[] }

const find = async (
  world: World,
  job: Job = aJob(call, [ours]),
  moment: Moment = {},
): Promise<Finding | undefined> => {
  const { timestamp = NOW, later = 0, confirmations = 1 } = moment
  const head = aHead(world.facts.head, timestamp)
  const company = moment.company ?? [job.item]
  const facts = { ...asked(world, company), head, confirmations, now: NOW * 1000 + later }
  const [finding] = await prove(facts, [job])
  return finding
}
const asked = ({ chain }: World, company: readonly Payable[] = []) => ({
  chain,
  itemsOf: async () => company,
  takenIn: async () => new Set<number>(),
})
const paidBy = (one: Call) => [used(one, 1), moved(one, 2)]

test('our transaction in a canonical block with the transfer in it is the proof', async () => {
  const world = fakeChain()
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, paidBy(call)))
  expect(await find(world)).toMatchObject({ kind: 'paid', proof: { hash: ours.hash, gas: 21_000n } })
})

test('a receipt from a block that is no longer canonical proves nothing, neither a payment nor a loss', async () => {
  const world = fakeChain({ replaced: new Set([90n]) })
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, paidBy(call)))
  expect(await find(world, undefined, { later: HALF_A_MINUTE })).toBeUndefined()
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, [], false))
  expect(await find(world, undefined, { later: HALF_A_MINUTE })).toBeUndefined()
})

test('of several transactions for one payment any may be the proof, and the gas of all of them is counted', async () => {
  const world = fakeChain()
  const second = aTx(call, 1)
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, [], false))
  world.facts.included.set(second.hash, inBlock(second.hash, 91n, paidBy(call)))
  expect(await find(world, aJob(call, [ours, second]))).toMatchObject({
    kind: 'paid',
    proof: { hash: second.hash, gas: 42_000n },
  })
})

test('when ours reverted because somebody else submitted the authorization, theirs is the proof and ours the gas', async () => {
  const world = fakeChain()
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, [], false))
  world.facts.included.set(THEIRS, inBlock(THEIRS, 90n, paidBy(call)))
  world.facts.users.set(call.nonce, THEIRS)
  expect(await find(world)).toMatchObject({ kind: 'paid', proof: { hash: THEIRS, gas: 21_000n } })
})

test('when the payer spent the nonce on somebody else, it is lost', async () => {
  const world = fakeChain({ burnt: new Set([call.nonce]) })
  const elsewhere = { ...call, payTo: `0x${'ee'.repeat(20)}` as const }
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, [], false))
  world.facts.included.set(THEIRS, inBlock(THEIRS, 90n, paidBy(elsewhere)))
  world.facts.users.set(call.nonce, THEIRS)
  expect(await find(world)).toEqual({ kind: 'lost', why: 'the transfer reverted', gas: 21_000n })
})

test('a revert is a loss when as many blocks stand on it as a payment needs', async () => {
  const world = fakeChain()
  world.facts.included.set(ours.hash, inBlock(ours.hash, 99n, [], false))
  expect(await find(world, undefined, { confirmations: 3 })).toBeUndefined()
  world.facts.head = 101n
  expect(await find(world, undefined, { confirmations: 3 })).toMatchObject({ kind: 'lost' })
})

test('a revert in a block that is newer than the head we know is no loss yet: the other submission may be in it too', async () => {
  const world = fakeChain({ head: 101n })
  world.facts.included.set(ours.hash, inBlock(ours.hash, 101n, [], false))
  const facts = { ...asked(world), head: aHead(100n), confirmations: 1, now: NOW * 1000 }
  expect(await prove(facts, [aJob(call, [ours])])).toEqual([undefined])
})

test('a token that reports success and moves nothing is lost, with the reason', async () => {
  const world = fakeChain()
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, []))
  expect(await find(world)).toMatchObject({
    kind: 'lost',
    why: 'the token reported success and moved something else',
  })
})

test('a receipt without logs, where the log itself says that it paid, is a node to ask again', async () => {
  const world = fakeChain()
  world.facts.included.set(ours.hash, inBlock(ours.hash, 90n, []))
  world.facts.users.set(call.nonce, ours.hash)
  expect(await find(world)).toBeUndefined()
})

test('a nonce used by something else: after half a minute another transaction is signed', async () => {
  expect(await find(fakeChain())).toBeUndefined()
  expect(await find(fakeChain(), undefined, { later: HALF_A_MINUTE - 1 })).toBeUndefined()
  expect(await find(fakeChain(), undefined, { later: HALF_A_MINUTE })).toEqual({
    kind: 'again',
    alone: false,
  })
})

test('cancelled by the payer, without a transaction of ours in any block: lost after half a minute', async () => {
  const world = fakeChain({ burnt: new Set([call.nonce]) })
  expect(await find(world)).toBeUndefined()
  expect(await find(world, undefined, { later: HALF_A_MINUTE })).toMatchObject({ kind: 'lost', gas: 0n })
})

test('an authorization whose time is over is lost a minute later, not before: a reorganisation could bring back an older block', async () => {
  const end = Number(call.validBefore)
  for (const timestamp of [end, end + 59]) {
    expect(await find(fakeChain(), undefined, { timestamp, later: HALF_A_MINUTE })).toBeUndefined()
  }
  expect(await find(fakeChain(), undefined, { timestamp: end + 60 })).toEqual({
    kind: 'lost',
    why: 'the authorization expired',
    gas: 0n,
  })
})

test('an authorization whose time is over, and that somebody submitted in time, has paid', async () => {
  const world = fakeChain()
  world.facts.included.set(THEIRS, inBlock(THEIRS, 90n, paidBy(call)))
  world.facts.users.set(call.nonce, THEIRS)
  expect(await find(world, undefined, { timestamp: Number(call.validBefore) + 60 })).toMatchObject({
    kind: 'paid',
    proof: { hash: THEIRS, gas: 0n },
  })
})

test('a node that is behind the head is not believed when it has no log', async () => {
  const world = fakeChain({ head: 99n })
  const facts = {
    ...asked(world),
    head: aHead(100n, NOW + 400),
    confirmations: 1,
    now: NOW * 1000 + 400_000,
  }
  expect(await prove(facts, [aJob(call, [ours])])).toEqual([undefined])
})

test('what is wrong with one payment does not hold up another', async () => {
  const world = fakeChain({ head: 99n })
  const good = aCall(2)
  const tx = aTx(good, 1)
  world.facts.included.set(tx.hash, inBlock(tx.hash, 90n, paidBy(good)))
  const facts = { ...asked(world), head: aHead(100n), confirmations: 1, now: NOW * 1000 }
  const [first, second] = await prove(facts, [aJob(call, [ours]), aJob(good, [tx])])
  expect(first).toBeUndefined()
  expect(second).toMatchObject({ kind: 'paid' })
})

const other = aCall(2)
const batch = aTx([call, other], 0)

test('one that failed in a batch is tried alone, while its authorization can still be used', async () => {
  const world = fakeChain()
  world.facts.included.set(batch.hash, inBlock(batch.hash, 90n, paidBy(other)))
  const company = [call, other]
  expect(await find(world, aJob(call, [batch]), { company })).toEqual({ kind: 'again', alone: true })
  expect(await find(world, aJob(call, [batch]), { company, confirmations: 12 })).toBeUndefined()
  world.facts.burnt.add(call.nonce)
  expect(await find(world, aJob(call, [batch]), { company })).toMatchObject({ kind: 'lost', gas: 10_500n })
})

test('the gas of a batch is shared out to the wei, and one that was tried twice bears both its shares', async () => {
  const world = fakeChain()
  const items = [call, other, aCall(3)]
  const three = aTx(items, 0)
  world.facts.included.set(three.hash, { ...inBlock(three.hash, 90n, items.flatMap(paidBy)), gas: 1_000n })
  const found = await Promise.all(items.map((one) => find(world, aJob(one, [three]), { company: items })))
  expect(found.map((one) => one?.kind === 'paid' && one.proof.gas)).toEqual([334n, 333n, 333n])
  world.facts.included.set(three.hash, { ...inBlock(three.hash, 90n, paidBy(other)), gas: 1_000n })
  const alone = aTx(call, 1)
  world.facts.included.set(alone.hash, inBlock(alone.hash, 91n, paidBy(call)))
  const again = await find(world, aJob(call, [three, alone]), { company: items })
  expect(again).toMatchObject({ kind: 'paid', proof: { gas: 21_334n } })
})

test('one that is over waits for the batch that may still bring it, and for no longer than eight minutes', async () => {
  const short = aCall(1, { validBefore: BigInt(NOW + 10) })
  const job = aJob(short, [batch], {})
  const { passedAt: _, ...pending } = job
  const at = (after: number) =>
    find(fakeChain(), pending, { timestamp: NOW + 10 + after, company: [short, other] })
  expect(await at(60)).toBeUndefined()
  expect(await at(480)).toMatchObject({ kind: 'lost', why: 'the authorization expired' })
  const nobody = { timestamp: NOW + 70, company: [short, { ...other, validBefore: BigInt(NOW) }] }
  expect(await find(fakeChain(), pending, nobody)).toMatchObject({ kind: 'lost' })
})

test('what a stranger submitted is not booked before our own transaction is known: its gas would be forgotten', async () => {
  const world = fakeChain()
  world.facts.included.set(THEIRS, inBlock(THEIRS, 90n, paidBy(call)))
  world.facts.users.set(call.nonce, THEIRS)
  expect(await find(world)).toBeUndefined()
  expect(await find(world, undefined, { later: HALF_A_MINUTE })).toMatchObject({ kind: 'paid' })
})

test('by Permit2, a transfer that paid for another call of the same price does not pay for a cancelled one', async () => {
  const permit = aCall(1, { kind: 'permit2' })
  const world = fakeChain({ burnt: new Set([permit.nonce]), movers: [THEIRS] })
  world.facts.included.set(THEIRS, inBlock(THEIRS, 90n, [moved(permit, 4)]))
  const head = aHead(100n)
  const facts = { ...asked(world, [permit]), head, confirmations: 1, now: NOW * 1000 + HALF_A_MINUTE }
  const job = aJob(permit, [ours])
  expect(await prove(facts, [job])).toMatchObject([{ kind: 'paid', proof: { logIndex: 4 } }])
  const taken = { ...facts, takenIn: async () => new Set([4]) }
  expect(await prove(taken, [job])).toMatchObject([{ kind: 'lost' }])
})

test('two calls that look at one transfer at once: the second has to look again', async () => {
  const [a, b] = [aCall(1, { kind: 'permit2' }), aCall(2, { kind: 'permit2' })]
  const world = fakeChain({ burnt: new Set([a.nonce, b.nonce]), movers: [THEIRS] })
  world.facts.included.set(THEIRS, inBlock(THEIRS, 90n, [moved(a, 4)]))
  const head = aHead(100n)
  const facts = { ...asked(world), head, confirmations: 1, now: NOW * 1000 + HALF_A_MINUTE }
  expect(await prove(facts, [aJob(a, [ours]), aJob(b, [aTx(b, 1)])])).toMatchObject([
    { kind: 'paid' },
    undefined,
  ])
})

test('a payout is never made again while the chain shows its transfer, whatever receipts say', async () => {
  const payout = aPayout(1)
  const tx = aTx(payout, 3)
  const world = fakeChain({ movers: [tx.hash] })
  expect(await find(world, aJob(payout, [tx]), { later: HALF_A_MINUTE })).toBeUndefined()
  world.facts.movers = []
  expect(await find(world, aJob(payout, [tx]), { later: HALF_A_MINUTE })).toEqual({
    kind: 'again',
    alone: false,
  })
  world.facts.head = 99n
  const behind = { ...asked(world), head: aHead(100n), confirmations: 1, now: NOW * 1000 + HALF_A_MINUTE }
  expect(await prove(behind, [aJob(payout, [tx])])).toEqual([undefined])
})

test('what was only seen on the chain is looked for again after a reorganisation, and is gone after ten minutes', async () => {
  const seen = aPayout(1, {
    task: { kind: 'observed', what: 'inflow' },
    settlement: { at: 'settling', hash: THEIRS },
  })
  const world = fakeChain()
  expect(await find(world, aJob(seen, []))).toBeUndefined()
  expect(await find(world, aJob(seen, []), { later: 600_000 })).toMatchObject({ kind: 'lost', gas: 0n })
  world.facts.included.set(THEIRS, inBlock(THEIRS, 95n, [moved(seen, 0)]))
  expect(await find(world, aJob(seen, []))).toMatchObject({
    kind: 'paid',
    proof: { hash: THEIRS, block: 95n },
  })
})

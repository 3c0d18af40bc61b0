import { expect, test } from 'vitest'
import type { Call } from '../../src/ledger/call.ts'
import type { Job } from '../../src/payment/jobs.ts'
import { type Finding, prove } from '../../src/payment/prove.ts'
import { aCall, aHead, aJob, aTx, fakeChain, inBlock, moved, NOW, used } from './a-job.ts'

const call = aCall(1)
const ours = aTx(call, 0)
const THEIRS = `0x${'77'.repeat(32)}` as const
const HALF_A_MINUTE = 30_000

type World = ReturnType<typeof fakeChain>
type Moment = { timestamp?: number; later?: number; confirmations?: number }

const find = async (
  world: World,
  job: Job = aJob(call, [ours]),
  moment: Moment = {},
): Promise<Finding | undefined> => {
  const { timestamp = NOW, later = 0, confirmations = 1 } = moment
  const head = aHead(world.facts.head, timestamp)
  const facts = { chain: world.chain, head, confirmations, now: NOW * 1000 + later }
  const [finding] = await prove(facts, [job])
  return finding
}
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
  const facts = { chain: world.chain, head: aHead(100n), confirmations: 1, now: NOW * 1000 }
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
  expect(await find(fakeChain(), undefined, { later: HALF_A_MINUTE })).toEqual({ kind: 'again' })
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
    chain: world.chain,
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
  const facts = { chain: world.chain, head: aHead(100n), confirmations: 1, now: NOW * 1000 }
  const [first, second] = await prove(facts, [aJob(call, [ours]), aJob(good, [tx])])
  expect(first).toBeUndefined()
  expect(second).toMatchObject({ kind: 'paid' })
})

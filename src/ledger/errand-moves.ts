import { fail } from '../errors.ts'
import { maxOf, minOf } from '../money.ts'
import { book, nativeOf } from './accounts.ts'
import { isSettling, type Proof } from './call.ts'
import { type Channel, channelKey } from './channel.ts'
import type { Errand, Task } from './errand.ts'
import type { Change, Read, Refused, Subject } from './moves.ts'
import { ACCOUNT } from './names.ts'
import { transfers } from './postings.ts'

type Row = [debit: string, credit: string, amount: bigint]

/** Stores an errand: holds what it will move. One whose settlement is there already was seen on the chain. */
export const order = (errand: Errand, read: Read): Change | Refused | undefined => {
  if (errand.settlement.at === 'settled') {
    const known = channelsOf(errand).every((id) => channelAt(id, read))
    return known ? effect(errand, errand.settlement.proof, read) : { refused: 'channel', channel: undefined }
  }
  const held = holdChannels(errand, read)
  if (held === 'busy') return { refused: 'channel', channel: undefined }
  const payout = errand.task.kind === 'payout'
  const credit = ACCOUNT.credit(errand.payer)
  return {
    put: [errand, ...held],
    postings: payout ? book(errand, [[credit, ACCOUNT.payout(errand.payer), errand.amount]]) : [],
    bumps: [],
    ...(payout && { guard: credit }),
  }
}

const holdChannels = ({ id, task, amount }: Errand, read: Read): Channel[] | 'busy' => {
  if (task.kind === 'claim') {
    const channels = task.claims.map((one) => channelAt(one.channel, read))
    const free = task.claims.every(({ total }, i) => {
      const one = channels[i]
      return one && one.claiming === undefined && total <= one.charged
    })
    if (!free) return 'busy'
    return task.claims.map(({ total }, i) => ({ ...channels[i]!, claiming: { errand: id, total } }))
  }
  if (task.kind !== 'refund') return []
  const channel = channelAt(task.channel, read)
  if (!channel || channel.busy !== undefined || channel.claiming !== undefined) return 'busy'
  // What was charged stays in until it is claimed.
  if (amount > channel.balance - channel.charged || (task.claim?.total ?? 0n) > channel.charged) return 'busy'
  return [{ ...channel, busy: id }]
}

/** The channels that must be known for it to have happened to them. */
const channelsOf = ({ task }: Errand): readonly string[] => {
  if (task.kind === 'claim') return task.claims.map(({ channel }) => channel)
  return task.kind === 'refund' || task.kind === 'withdrawal' ? [task.channel] : []
}

/** What an errand does when it is proven. `moved`: the units that moved, when others than ordered. */
export const effect = (before: Errand, proof: Proof, read: Read, moved = before.amount): Change => {
  const task = overdrawn(before.task, read)
  const errand: Errand = { ...before, task, amount: moved, settlement: { at: 'settled', proof } }
  return {
    put: [errand, ...channelsAfter(errand, read)],
    postings: [
      ...book(errand, settledRows(errand, isHeld(read(errand.id)))),
      ...transfers(nativeOf(errand), [[ACCOUNT.gas, ACCOUNT.settlerGas, proof.gas]]),
    ],
    bumps: [],
  }
}

/** A claim with what of it goes beyond all that we charged. */
const overdrawn = (task: Task, read: Read): Task => {
  if (task.kind !== 'claim') return task
  const claims = task.claims.map(({ over: _, ...claim }) => {
    const over = claim.total - theChannel(claim.channel, read).charged
    return over > 0n ? { ...claim, over } : claim
  })
  return { ...task, claims }
}

/** The credit of a payout that is on its way is put aside; of one that was given up it is not. */
const isHeld = (subject: Subject | undefined): boolean => subject?.is === 'errand' && isSettling(subject)

/** Takes back what an errand did or held, for `errand` as it stands afterwards: on its way again, or lost. */
export const undo = (errand: Errand, read: Read): Change => {
  const before = read(errand.id)
  const was = before?.is === 'errand' && before.settlement.at === 'settled'
  const rows: Row[] = was
    ? settledRows(before, true).map(([debit, credit, by]): Row => [credit, debit, by])
    : []
  const lost = errand.settlement.at === 'lost'
  if (lost && errand.task.kind === 'payout')
    rows.push([ACCOUNT.payout(errand.payer), ACCOUNT.credit(errand.payer), errand.amount])
  return {
    put: [errand, ...(was ? channelsBefore(errand, read) : lost ? channelsFree(errand, read) : [])],
    postings: book(errand, rows),
    bumps: [],
  }
}

/** What is posted when it is proven, beyond what was posted when it was ordered. */
const settledRows = ({ task, payer, amount }: Errand, held: boolean): Row[] => {
  switch (task.kind) {
    case 'deposit':
      return [[ACCOUNT.escrow, ACCOUNT.channel(hexOf(task.channel)), amount]]
    case 'claim':
      return [
        [ACCOUNT.chain, ACCOUNT.escrow, amount],
        ...task.claims.map(
          ({ channel, over = 0n }): Row => [ACCOUNT.channel(hexOf(channel)), ACCOUNT.suspense, over],
        ),
      ]
    case 'refund':
    case 'withdrawal':
      return [[ACCOUNT.channel(hexOf(task.channel)), ACCOUNT.escrow, amount]]
    case 'payout':
      return [[held ? ACCOUNT.payout(payer) : ACCOUNT.credit(payer), ACCOUNT.float, amount]]
    case 'relay':
    case 'sponsor':
      return []
    case 'observed':
      return [[...SEEN[task.what], amount]]
  }
}

/** The accounts of transfers that nobody ordered. */
export const SEEN = {
  inflow: [ACCOUNT.chain, ACCOUNT.suspense],
  outflow: [ACCOUNT.owner, ACCOUNT.chain],
  funding: [ACCOUNT.float, ACCOUNT.owner],
  defunding: [ACCOUNT.owner, ACCOUNT.float],
  refill: [ACCOUNT.float, ACCOUNT.chain],
  return: [ACCOUNT.chain, ACCOUNT.float],
  sweep: [ACCOUNT.chain, ACCOUNT.escrow],
} as const satisfies Record<string, readonly [debit: string, credit: string]>

const channelsAfter = (errand: Errand, read: Read): Channel[] => {
  const { task, amount, id } = errand
  switch (task.kind) {
    case 'deposit': {
      const channel = channelAt(task.channel, read) ?? opened(errand, task)
      return [{ ...channel, balance: channel.balance + amount, at: errand.at }]
    }
    case 'claim':
      return task.claims.map(({ channel, total, over = 0n }) => {
        const one = theChannel(channel, read)
        const claiming = one.claiming?.errand === id ? undefined : one.claiming
        return { ...one, charged: one.charged + over, claimed: maxOf(one.claimed, total), claiming }
      })
    case 'refund': {
      const one = theChannel(task.channel, read)
      const busy = one.busy === id ? undefined : one.busy
      const claimed = maxOf(one.claimed, task.claim?.total ?? 0n)
      const refundNonce = maxOf(one.refundNonce, task.refundNonce + 1n)
      return [{ ...one, balance: one.balance - amount, claimed, busy, refundNonce }]
    }
    case 'withdrawal': {
      const one = theChannel(task.channel, read)
      return [{ ...one, balance: one.balance - amount }]
    }
    default:
      return []
  }
}

/** The channels of an errand that had settled and is on its way again. */
const channelsBefore = ({ task, amount, id }: Errand, read: Read): Channel[] => {
  switch (task.kind) {
    case 'deposit': {
      const one = theChannel(task.channel, read)
      return [{ ...one, balance: one.balance - amount }]
    }
    case 'claim':
      return task.claims.map(({ channel, from, total, over = 0n }) => {
        const one = theChannel(channel, read)
        // Of several that are taken back, in whatever order, the first one began lowest.
        const claimed = minOf(one.claimed, from)
        return {
          ...one,
          charged: one.charged - over,
          claimed,
          claiming: one.claiming ?? { errand: id, total },
        }
      })
    case 'refund': {
      const one = theChannel(task.channel, read)
      const claimed = minOf(one.claimed, task.claim?.from ?? one.claimed)
      const refundNonce = minOf(one.refundNonce, task.refundNonce)
      return [{ ...one, balance: one.balance + amount, claimed, busy: one.busy ?? id, refundNonce }]
    }
    case 'withdrawal': {
      const one = theChannel(task.channel, read)
      return [{ ...one, balance: one.balance + amount }]
    }
    default:
      return []
  }
}

/** The channels that a lost errand held, free again. */
const channelsFree = ({ task, id }: Errand, read: Read): Channel[] => {
  if (task.kind === 'claim') {
    return task.claims.flatMap(({ channel }) => {
      const one = channelAt(channel, read)
      return one?.claiming?.errand === id ? [{ ...one, claiming: undefined }] : []
    })
  }
  const one = task.kind === 'refund' ? channelAt(task.channel, read) : undefined
  return one?.busy === id ? [{ ...one, busy: undefined }] : []
}

const opened = (errand: Errand, task: Extract<Task, { kind: 'deposit' }>): Channel => ({
  is: 'channel',
  id: channelKey(errand.chain, hexOf(task.channel)),
  channel: hexOf(task.channel),
  chain: errand.chain,
  token: errand.token,
  decimals: errand.decimals,
  config: task.config,
  // What was claimed before our time is neither the payer's nor ours any more.
  balance: task.claimed,
  charged: task.claimed,
  claimed: task.claimed,
  voucher: undefined,
  turns: 0,
  busy: undefined,
  last: undefined,
  claiming: undefined,
  refundNonce: task.refundNonce,
  at: errand.at,
})

const channelAt = (id: string, read: Read): Channel | undefined => asChannel(read(id))
const asChannel = (subject: Subject | undefined): Channel | undefined =>
  subject?.is === 'channel' ? subject : undefined

const theChannel = (id: string, read: Read): Channel => {
  const channel = channelAt(id, read)
  if (!channel) throw fail('internal', { why: `no channel ${id}` })
  return channel
}

/** The contract's id in the ledger's name of a channel. */
export const hexOf = (channel: string): `0x${string}` => `0x${channel.slice(channel.indexOf('0x') + 2)}`

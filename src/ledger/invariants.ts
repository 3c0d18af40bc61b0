import { NO_MONEY, type Usd } from '../money.ts'
import { bookOf } from './accounts.ts'
import { billOf, type Call, creditedBy, isAtRest, isServing, isSettling } from './call.ts'
import type { Channel } from './channel.ts'
import type { Errand } from './errand.ts'
import type { Ledger } from './ledger.ts'
import type { Subject } from './moves.ts'
import { ACCOUNT, COUNTER } from './names.ts'
import { createReplay, fingerprint, type Replay } from './replay.ts'
import { balanceKey, counterKey, subjectKey } from './retell.ts'

/** What always holds in a ledger, as sentences. */
export const INVARIANTS = {
  sequence: 'Journal lines are numbered without a gap.',
  chain: 'Each journal line is sealed together with all lines before it.',
  moves: 'Each journal line is a move that was allowed then.',
  postings: 'The postings of a line are those of its move.',
  stored: 'Calls, balances and counters stand as the journal tells.',
  balanced: 'Debits equal credits in every asset.',
  books: 'Every balance and counter is the sum of what the calls say.',
  claims: 'An authorization belongs to one call.',
  served: 'A call ends once.',
  settled: 'A payment settles once.',
  charge: 'Charged ≤ ceiling ≤ signed + credit.',
  released:
    'A call that failed charges nothing, and its authorization is never submitted unless it settled first.',
  outbox:
    'A payment that is being settled has its transaction stored, unless somebody else sent it and its block was taken back.',
  overdue: 'No call is open ten minutes after its authorization ended.',
  credit:
    'Credit is not spent twice: no account of a payer is below zero, unless a reorganisation took money back.',
  limits: 'Unpaid service stays within the limits, and what calls hold and spend within their budgets.',
  channels:
    'In a channel, claimed ≤ charged ≤ what the best voucher signs for; the rest is the payer’s in the books; who has it is at work.',
} as const satisfies Record<string, string>

export type Invariant = keyof typeof INVARIANTS
export type Violation = { invariant: Invariant; subject: string; detail: string }

/** Says that an invariant does not hold for a subject, and how. */
export type Tell = (invariant: Invariant, subject: string, detail: string) => void

/** `now` in ms; `exposure`: the limits of unpaid service in micro-dollars, unchecked where left out. */
export type InvariantFacts = { now: number; exposure?: { perPayer?: Usd; total?: Usd } }

/** What was looked at, and what of it does not hold. */
export type Audit = { lines: number; head: string; calls: number; open: number; violations: Violation[] }

const PAGE = 500
const GRACE_SECONDS = 600n

/** Everything that does not hold in a ledger; nothing is written, and moves may go on meanwhile. */
export const checkInvariants = async (ledger: Ledger, facts: InvariantFacts): Promise<Violation[]> =>
  (await auditLedger(ledger, facts)).violations

/** `checkInvariants`, with what was looked at: reads the whole journal and every call, a page at a time. */
export const auditLedger = async (ledger: Ledger, facts: InvariantFacts): Promise<Audit> => {
  const found = new Map<string, Violation>()
  const tell = (invariant: Invariant, subject: string, detail: string) => {
    const key = `${invariant} ${subject}`
    if (!found.has(key)) found.set(key, { invariant, subject, detail })
  }
  const replay = createReplay(ledger, tell)
  await replay.advance()
  const seen = await compareCalls(ledger, replay, tell)
  await compareFigures(ledger, replay, tell)
  for (const key of replay.keys())
    if (key.startsWith('subject ') && !seen.has(key)) replay.compare(key, 'absent')
  // What was posted while we read is told now, and explains what differed.
  await replay.advance()
  for (const { key, stored, told } of replay.unmet()) {
    tell('stored', key, `${stored} is stored, the journal tells ${told}`)
  }
  checkOpen(replay, facts, tell)
  checkHolders(replay, tell)
  await checkOutbox(ledger, replay, tell)
  checkExposure(replay, facts, tell)
  const { head, open } = replay.retold
  return {
    lines: head.seq,
    head: head.hash,
    calls: seen.size,
    open: open.size,
    violations: [...found.values()],
  }
}

const compareCalls = async (ledger: Ledger, replay: Replay, tell: Tell): Promise<Set<string>> => {
  const seen = new Set<string>()
  for (let after: string | undefined; ; ) {
    const page = await ledger.subjects(after, PAGE)
    if (page.length === 0) return seen
    await Promise.all(page.map((subject) => check(ledger, subject, tell)))
    for (const subject of page) {
      replay.compare(subjectKey(subject.id), fingerprint(subject))
      seen.add(subjectKey(subject.id))
    }
    after = page.at(-1)!.id
  }
}

const check = async (ledger: Ledger, subject: Subject, tell: Tell): Promise<void> => {
  if (subject.is === 'call') return checkCall(ledger, subject, tell)
  return subject.is === 'errand' ? checkErrand(ledger, subject, tell) : checkChannel(subject, tell)
}

const checkErrand = async (ledger: Ledger, { id, claim }: Errand, tell: Tell): Promise<void> => {
  const holder = claim === undefined ? id : await ledger.claimant(claim)
  if (holder !== id) tell('claims', claim ?? id, `it is held by ${holder ?? 'nobody'}, and ${id} used it`)
}

const checkChannel = ({ id, claimed, charged, voucher }: Channel, tell: Tell): void => {
  const covered = voucher?.max ?? claimed
  if (claimed > charged || (charged > claimed && charged > covered))
    tell('channels', id, `claimed ${claimed}, charged ${charged}, signed ${covered}`)
}

/** What a call says of itself, and of its claim and its transactions. */
export const checkCall = async (ledger: Ledger, call: Call, tell: Tell): Promise<void> => {
  const { id, claim, ceiling, signed, credit, service, settlement, settleFirst } = call
  const holder = await ledger.callByClaim(claim)
  if (holder?.id !== id) tell('claims', claim, `it is held by ${holder?.id ?? 'nobody'}, and ${id} used it`)

  const charged = billOf(call)?.charged ?? 0n
  if (charged < 0n || charged > ceiling) tell('charge', id, `charged ${charged}, ceiling ${ceiling}`)
  if (ceiling > signed + credit) tell('charge', id, `ceiling ${ceiling}, signed ${signed}, credit ${credit}`)

  const waits = !isServing(call) && isSettling(call) ? creditedBy(call) : 0n
  if (call.pending !== waits) tell('books', id, `pending ${call.pending}, not ${waits}`)
  if (call.exposed > 0n && isAtRest(call)) tell('books', id, `exposed ${call.exposed} at rest`)

  const failed = service.at === 'released' || service.at === 'rejected'
  if (failed && settlement.at !== 'none' && !settleFirst)
    tell('released', id, `${service.at} and ${settlement.at}`)
  if (failed && settlement.at === 'none' && (await ledger.transactions(id)).length > 0)
    tell('released', id, 'a transaction is stored for it')
}

const compareFigures = async (ledger: Ledger, replay: Replay, tell: Tell): Promise<void> => {
  const sums = new Map<string, bigint>()
  const stored = new Map<string, string>()
  for (const { asset, account, value } of await ledger.balances()) {
    sums.set(asset, (sums.get(asset) ?? 0n) + value)
    stored.set(balanceKey(asset, account), value.toString())
  }
  for (const [asset, sum] of sums) if (sum !== 0n) tell('balanced', asset, `balances sum up to ${sum}`)
  const counters = await ledger.counters()
  for (const [name, value] of Object.entries(counters)) stored.set(counterKey(name), value.toString())
  for (const key of replay.retold.posted.keys()) if (!stored.has(key)) stored.set(key, '0')
  for (const [key, value] of stored) replay.compare(key, value)
}

const checkOpen = ({ retold }: Replay, { now }: InvariantFacts, tell: Tell): void => {
  for (const call of retold.open.values()) {
    if (call.is === 'call') checkOverdue(call, now, tell)
  }
}

/** An open call is not long past the end of its authorization; `now` in ms. */
export const checkOverdue = (call: Call, now: number, tell: Tell): void => {
  if (call.validBefore === 0n) return
  const end = (call.validBefore + GRACE_SECONDS) * 1_000n
  const state = isServing(call) ? call.service.at : call.settlement.at
  if (BigInt(now) > end) tell('overdue', call.id, `${state} since ${new Date(call.at).toISOString()}`)
}

/** Who has a channel is at work, and what the books say of its money is what it says itself. */
const checkHolders = ({ retold: { open, posted } }: Replay, tell: Tell): void => {
  for (const one of open.values()) {
    if (one.is !== 'channel') continue
    const { id, busy, claiming, balance, charged } = one
    for (const holder of [busy, claiming?.errand]) {
      const subject = open.get(holder ?? '')
      const works =
        subject?.is === 'call' ? isServing(subject) : subject?.is === 'errand' && isSettling(subject)
      if (holder !== undefined && !works) tell('channels', id, `held by ${holder}, which has ended`)
    }
    const booked = posted.get(balanceKey(bookOf(one), ACCOUNT.channel(one.channel))) ?? 0n
    if (booked !== balance - charged) tell('channels', id, `${balance} less ${charged} is not ${booked}`)
  }
}

const checkOutbox = async (ledger: Ledger, { retold }: Replay, tell: Tell): Promise<void> => {
  for (const { id, settlement } of [...retold.open.values()].filter((one) => one.is !== 'channel')) {
    if (settlement.at !== 'settling' || retold.again.has(id)) continue
    if ((await ledger.transactions(id)).length === 0) tell('outbox', id, 'settling without a transaction')
  }
}

// What a reorganisation put back on us was within the limits once, and is nobody's decision.
const checkExposure = ({ retold }: Replay, { exposure }: InvariantFacts, tell: Tell): void => {
  const excused = new Map<string, Usd>()
  const excuse = (key: string, by: Usd) => excused.set(key, ((excused.get(key) ?? NO_MONEY) + by) as Usd)
  for (const id of retold.reopened) {
    const call = retold.open.get(id)
    if (call?.is !== 'call') continue
    excuse(counterKey(COUNTER.exposure), call.exposed)
    excuse(counterKey(COUNTER.payerExposure(call.payer)), call.exposed)
  }
  const total = counterKey(COUNTER.exposure)
  for (const [key, value] of retold.posted) {
    if (key !== total && !key.startsWith(`${total}:`)) continue
    const limit = key === total ? exposure?.total : exposure?.perPayer
    const decided = value - (excused.get(key) ?? 0n)
    if (limit !== undefined && decided > limit) tell('limits', key, `${decided}, limit ${limit}`)
  }
}

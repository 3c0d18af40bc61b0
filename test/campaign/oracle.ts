/**
 * Judges a run by what its chain, its provider and its client saw, and by nothing that the router computed: the chain's
 * logs, the provider's log, the client's transcript and what a client may ask for.
 */
import type { Hex } from 'viem'
import { rpc } from '../../src/cli/demo/localnet.ts'
import { BATCH_SETTLEMENT } from '../../src/wire/contracts.ts'
import type { Seen } from '../support/upstream.ts'
import type { Signing } from './ways.ts'

/** One answer that a client got; `asked`: how often the provider had been asked for this call before it. */
export type Heard = { status: number; code?: string; whole: boolean; bytes: number; asked: number; charged?: bigint }

/** What the router tells a client about one of its calls. */
export type Told = { charged: bigint; refunded: bigint; settlement: string; transaction: string | null }

/** One authorization, and everything its client saw. `mark` stands in the body of its call. */
export type Entry = {
  way: Signing
  payer: Hex
  mark: string
  amount: bigint
  mode: 'json' | 'sse'
  heard: Heard[]
  told?: Told
}

export type Evidence = {
  url: string
  token: Hex
  payTo: Hex
  settler: Hex
  seen: readonly Seen[]
  entries: readonly Entry[]
  /** Units given to the router by nobody's authorization. */
  gifts?: bigint
  /** Credit of a payer, as it may ask for it. */
  creditOf: (payer: Hex) => Promise<bigint>
  /** What the router has received, as its ledger says. */
  booked: bigint
  /** Whatever is not at rest. */
  open: readonly string[]
  /** Authorizations that the chain may rightly refuse, by mark: they were drained, cancelled or expired. */
  spoiled?: ReadonlySet<string>
}

type Transfer = { from: Hex; to: Hex; units: bigint; hash: Hex }

/** What the provider reports costs this much at the catalog's prices: ten tokens in at $1 and two out at $2 a million. */
export const PRICE = 14n

/** Everything that is wrong; nothing when all is well. */
export const judge = async (evidence: Evidence): Promise<string[]> => {
  const transfers = await transfersOf(evidence.url, evidence.token)
  const problems = evidence.open.map((one) => `not at rest: ${one}`)
  for (const entry of evidence.entries) problems.push(...service(evidence, entry))
  for (const [payer, entries] of Map.groupBy(evidence.entries, (one) => one.payer))
    problems.push(...(await money(evidence, transfers, payer, entries)))
  problems.push(...(await till(evidence, transfers)))
  return problems
}

export const dispatches = (seen: readonly Seen[], mark: string): number =>
  seen.filter((one) => JSON.stringify(one.body).includes(mark)).length

const service = ({ seen }: Evidence, { mark, way, heard }: Entry): string[] => {
  const asked = dispatches(seen, mark)
  const name = `${way} ${mark}`
  return [
    ...(asked > 1 ? [`${name}: the provider was asked ${asked} times`] : []),
    ...(heard.filter((one) => one.whole).length > 1 ? [`${name}: answered twice`] : []),
    ...(heard.some((one) => one.whole) && asked === 0 ? [`${name}: answered without the provider`] : []),
    ...heard.flatMap((one) => [
      ...(one.status === 402 && one.asked > 0 ? [`${name}: a new price after the provider was asked`] : []),
      ...(one.status >= 500 && one.code === 'internal' ? [`${name}: ${one.status} ${one.code}`] : []),
      ...(one.charged !== undefined && one.charged !== PRICE ? [`${name}: a receipt of ${one.charged}`] : []),
    ]),
  ]
}

/** What one payer paid against what it was charged and what it got. */
const money = async (
  evidence: Evidence,
  transfers: readonly Transfer[],
  payer: Hex,
  entries: readonly Entry[],
): Promise<string[]> => {
  const between = (from: Hex, to: Hex) => transfers.filter((one) => same(one.from, from) && same(one.to, to))
  const problems = entries.flatMap((one) => fair(evidence, one))
  const kept = sum(entries.map((one) => (one.told ? one.told.charged - one.told.refunded : 0n)))
  const credit = await evidence.creditOf(payer)
  const back = between(evidence.settler, payer)
  if (back.length > 1) problems.push(`${payer}: ${back.length} payouts`)
  const name = `${entries.map((one) => one.way).join('+')} of ${payer}`
  if (entries.some((one) => one.way === 'deposit' || one.way === 'voucher')) {
    const put = between(payer, BATCH_SETTLEMENT)
    const claimed = sum(between(BATCH_SETTLEMENT, evidence.payTo).map((one) => one.units))
    if (put.length > 1) problems.push(`${name}: ${put.length} deposits`)
    if (claimed + credit !== kept + credit || claimed > sum(put.map((one) => one.units)))
      problems.push(`${name}: charged ${kept}, claimed ${claimed}`)
    return problems
  }
  const paid = between(payer, evidence.payTo)
  const moved = sum(paid.map((one) => one.units)) - (evidence.gifts ?? 0n)
  const most = entries.filter((one) => dispatches(evidence.seen, one.mark) > 0).length
  const gifts = evidence.gifts ? 1 : 0
  if (paid.length - gifts > Math.max(most, 1)) problems.push(`${name}: ${paid.length} transfers for ${most} calls`)
  if (moved !== kept + credit + sum(back.map((one) => one.units)))
    problems.push(`${name}: paid ${moved}, charged ${kept}, credit ${credit}, paid out ${sum(back.map((one) => one.units))}`)
  const due = sum(entries.filter((one) => isDue(evidence, one)).map((one) => (one.way === 'upto' ? PRICE : one.amount)))
  if (moved < due) problems.push(`${name}: answers for ${due}, paid ${moved}`)
  if (moved > sum(entries.map((one) => one.amount))) problems.push(`${name}: more than was signed`)
  return problems
}

/** It was answered in full and nothing that its payer did stands in the way of its money. */
const isDue = ({ spoiled }: Evidence, { heard, mark }: Entry): boolean =>
  heard.some((one) => one.whole) && !spoiled?.has(mark)

/** Never more than the price of what the provider reported, and nothing for what never came. */
const fair = ({ seen }: Evidence, { way, mark, told, heard, mode, amount }: Entry): string[] => {
  const kept = told ? told.charged - told.refunded : 0n
  const name = `${way} ${mark}`
  const whole = heard.some((one) => one.whole)
  const bytes = heard.reduce((most, one) => Math.max(most, one.status === 200 ? one.bytes : 0), 0)
  return [
    ...(kept > PRICE || kept > amount ? [`${name}: charged ${kept}`] : []),
    ...(kept > 0n && dispatches(seen, mark) === 0 ? [`${name}: charged, and the provider never asked`] : []),
    ...(whole && told && told.settlement !== 'lost' && kept !== PRICE ? [`${name}: answered in full for ${kept}`] : []),
    ...(!whole && kept > 0n && (mode === 'json' || bytes === 0) ? [`${name}: charged ${kept} for no answer`] : []),
  ]
}

/** The till holds what the logs say, and the ledger says the same. */
const till = async (evidence: Evidence, transfers: readonly Transfer[]): Promise<string[]> => {
  const inflow = sum(transfers.filter((one) => same(one.to, evidence.payTo)).map((one) => one.units))
  const data = `0x70a08231${evidence.payTo.slice(2).toLowerCase().padStart(64, '0')}`
  const held = BigInt(await rpc<Hex>(evidence.url, 'eth_call', [{ to: evidence.token, data }, 'latest']))
  return [
    ...(held === inflow ? [] : [`the till holds ${held}, its transfers are ${inflow}`]),
    ...(evidence.booked === inflow ? [] : [`the ledger has received ${evidence.booked}, the chain says ${inflow}`]),
  ]
}

const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const transfersOf = async (url: string, token: Hex): Promise<Transfer[]> => {
  type Log = { topics: Hex[]; data: Hex; transactionHash: Hex }
  const filter = { address: token, fromBlock: '0x0', toBlock: 'latest', topics: [TRANSFER] }
  const logs = await rpc<Log[]>(url, 'eth_getLogs', [filter])
  return logs.map(({ topics, data, transactionHash }) => ({
    from: `0x${topics[1]!.slice(26)}`,
    to: `0x${topics[2]!.slice(26)}`,
    units: BigInt(data),
    hash: transactionHash,
  }))
}

const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()
const sum = (all: readonly bigint[]): bigint => all.reduce((total, one) => total + one, 0n)

/**
 * Judges a run by what its chain, its provider and its client saw, and by nothing that the router computed: the chain's
 * logs, the provider's log, the client's transcript and what a client may ask for.
 */
import type { Hex } from 'viem'
import { rpc } from '../../src/cli/demo/localnet.ts'
import { BATCH_SETTLEMENT, ERC3009_COLLECTOR } from '../../src/wire/contracts.ts'
import type { Seen } from '../support/upstream.ts'
import type { Signing } from './ways.ts'

/** One answer that a client got; `asked`: how often the provider had been asked for this call before it. */
export type Heard = {
  status: number
  code?: string
  whole: boolean
  bytes: number
  asked: number
  charged?: bigint
}

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
  /** Units that payers gave to the router without an authorization. */
  gifts?: ReadonlyMap<Hex, bigint>
  /** Credit of a payer, as it may ask for it. */
  creditOf: (payer: Hex) => Promise<bigint>
  /** What the router has received, as its ledger says. */
  booked: bigint
  /** Where the till stood before; everything since then is judged. */
  since?: { block: number; held: bigint }
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
  const transfers = await transfersOf(evidence)
  const problems = evidence.open.map((one) => `not at rest: ${one}`)
  for (const entry of evidence.entries) problems.push(...service(evidence, entry))
  for (const [payer, entries] of Map.groupBy(evidence.entries, (one) => one.payer))
    problems.push(...(await money(evidence, transfers, payer, entries)))
  problems.push(...channels(evidence, transfers), ...(await till(evidence, transfers)))
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
      ...(one.status === 402 && one.asked > 0
        ? [`${name}: ${one.status} ${one.code} after the provider was asked`]
        : []),
      ...(one.status >= 500 && one.code === 'internal' ? [`${name}: ${one.status} ${one.code}`] : []),
      ...(one.charged !== undefined && one.charged !== PRICE ? [`${name}: a receipt of ${one.charged}`] : []),
    ]),
  ]
}

/** What one payer paid against what it was charged and what it got. What it paid into a channel is judged by `channels`. */
const money = async (
  evidence: Evidence,
  transfers: readonly Transfer[],
  payer: Hex,
  entries: readonly Entry[],
): Promise<string[]> => {
  const { seen, settler, payTo, creditOf, gifts } = evidence
  const problems = entries.flatMap((one) => fair(evidence, one))
  const alone = entries.filter((one) => !isChannel(one))
  const gift = gifts?.get(payer) ?? 0n
  const paid = between(transfers, payer, payTo)
  const back = between(transfers, settler, payer)
  const moved = unitsOf(paid) - gift
  const credit = await creditOf(payer)
  const charged = sum(alone.map((one) => (isLost(one) ? 0n : (one.told?.charged ?? 0n))))
  const refunded = sum(entries.map((one) => one.told?.refunded ?? 0n))
  const name = `${entries.map((one) => one.way).join('+')} of ${payer}`
  if (paid.length - (gift > 0n ? 1 : 0) > alone.length)
    problems.push(`${name}: ${paid.length} transfers for ${alone.length} payments`)
  if (back.length > 1) problems.push(`${name}: ${back.length} payouts`)
  if (moved !== charged - refunded + credit + unitsOf(back))
    problems.push(
      `${name}: paid ${moved}, charged ${charged}, refunded ${refunded}, credit ${credit}, paid out ${unitsOf(back)}`,
    )
  const due = sum(
    alone.filter((one) => isDue(evidence, one)).map((one) => (one.way === 'upto' ? PRICE : one.amount)),
  )
  if (moved < due) problems.push(`${name}: answers for ${due}, paid ${moved}`)
  if (moved > sum(alone.map((one) => one.amount))) problems.push(`${name}: more than was signed`)
  if (moved > 0n && alone.every((one) => dispatches(seen, one.mark) === 0) && credit !== moved)
    problems.push(`${name}: paid ${moved} for nothing, credit ${credit}`)
  return problems
}

/** What was charged in channels was claimed from them, once, and out of one deposit each. */
const channels = ({ entries, payTo }: Evidence, transfers: readonly Transfer[]): string[] => {
  const all = entries.filter(isChannel)
  const charged = sum(all.map((one) => one.told?.charged ?? 0n))
  const claimed = unitsOf(between(transfers, BATCH_SETTLEMENT, payTo))
  const payers = [...new Set(all.map((one) => one.payer))]
  const deposits = payers.map((payer) => between(transfers, payer, ERC3009_COLLECTOR))
  return [
    ...(charged === claimed ? [] : [`channels: charged ${charged}, claimed ${claimed}`]),
    ...(claimed > unitsOf(deposits.flat()) ? [`channels: claimed ${claimed} of less`] : []),
    ...deposits.flatMap((one, i) =>
      one.length > 1 ? [`channel of ${payers[i]}: ${one.length} deposits`] : [],
    ),
  ]
}

const isChannel = ({ way }: Entry): boolean => way === 'deposit' || way === 'voucher'

const isLost = ({ told }: Entry): boolean => told?.settlement === 'lost'

/** It was answered in full and nothing that its payer did stands in the way of its money. */
const isDue = ({ spoiled }: Evidence, { heard, mark }: Entry): boolean =>
  heard.some((one) => one.whole) && !spoiled?.has(mark)

/** Never more than the price of what the provider reported, and nothing for what never came. */
const fair = ({ seen, spoiled }: Evidence, { way, mark, told, heard, mode, amount }: Entry): string[] => {
  const kept = told ? told.charged - told.refunded : 0n
  const name = `${way} ${mark}`
  const whole = heard.some((one) => one.whole)
  const bytes = heard.reduce((most, one) => Math.max(most, one.status === 200 ? one.bytes : 0), 0)
  const lost = told?.settlement === 'lost'
  return [
    ...(lost && !spoiled?.has(mark) ? [`${name}: given up, though nothing stood in its way`] : []),
    ...(kept > PRICE || kept > amount ? [`${name}: charged ${kept}`] : []),
    ...(kept > 0n && dispatches(seen, mark) === 0 ? [`${name}: charged, and the provider never asked`] : []),
    ...(whole && told && told.charged !== PRICE ? [`${name}: answered in full for ${told.charged}`] : []),
    ...(!whole && kept > 0n && (mode === 'json' || bytes === 0)
      ? [`${name}: charged ${kept} for no answer`]
      : []),
  ]
}

/** The till holds what the logs say, and the ledger says the same. */
const till = async (evidence: Evidence, transfers: readonly Transfer[]): Promise<string[]> => {
  const inflow = sum(transfers.filter((one) => same(one.to, evidence.payTo)).map((one) => one.units))
  const held = (await heldBy(evidence)) - (evidence.since?.held ?? 0n)
  return [
    ...(held === inflow ? [] : [`the till holds ${held}, its transfers are ${inflow}`]),
    ...(evidence.booked === inflow
      ? []
      : [`the ledger has received ${evidence.booked}, the chain says ${inflow}`]),
  ]
}

/** Units that the till holds now. */
export const heldBy = async ({
  url,
  token,
  payTo,
}: Pick<Evidence, 'url' | 'token' | 'payTo'>): Promise<bigint> => {
  const data = `0x70a08231${payTo.slice(2).toLowerCase().padStart(64, '0')}`
  return BigInt(await rpc<Hex>(url, 'eth_call', [{ to: token, data }, 'latest']))
}

const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const transfersOf = async ({ url, token, since }: Evidence): Promise<Transfer[]> => {
  const fromBlock = `0x${(since === undefined ? 0 : since.block + 1).toString(16)}`
  type Log = { topics: Hex[]; data: Hex; transactionHash: Hex }
  const filter = { address: token, fromBlock, toBlock: 'latest', topics: [TRANSFER] }
  const logs = await rpc<Log[]>(url, 'eth_getLogs', [filter])
  return logs.map(({ topics, data, transactionHash }) => ({
    from: `0x${topics[1]!.slice(26)}`,
    to: `0x${topics[2]!.slice(26)}`,
    units: BigInt(data),
    hash: transactionHash,
  }))
}

const between = (transfers: readonly Transfer[], from: Hex, to: Hex): Transfer[] =>
  transfers.filter((one) => same(one.from, from) && same(one.to, to))
const unitsOf = (transfers: readonly Transfer[]): bigint => sum(transfers.map((one) => one.units))
const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()
const sum = (all: readonly bigint[]): bigint => all.reduce((total, one) => total + one, 0n)

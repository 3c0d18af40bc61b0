/**
 * Judges a run of a fleet by what its chain, its provider and its clients saw, and by nothing that the fleet computed for
 * itself. Pure: three lists in, everything that is wrong out.
 */

/** A canonical transfer from a payer to the till; `at`: when it was first seen in a block, ms. */
export type Moved = { payer: string; units: bigint; nonce?: string; at: number }

/** One request that the provider got from instance `by`, `at` and `ended` in ms; `whole`: it gave all of its answer, `cut`: it began to stream and broke off. */
export type Asked = {
  tag: string
  by: number
  at: number
  ended: number
  outcome: 'whole' | 'cut' | 'failed'
}

/** One answer that a client got; status 0: the connection broke. `own`: it is the answer to this call and no other. */
export type Word = {
  at: number
  status: number
  code?: string
  whole: boolean
  bytes: number
  own?: boolean
}

/** What the fleet tells of a call to who knows its id, units. */
export type Told = { charged: bigint; refunded: bigint; service: string; settlement: string }

/** One signed authorization for one request, marked by its tag, and every answer to it in order. */
export type Shown = {
  tag: string
  payer: string
  way: 'exact-3009' | 'exact-permit2' | 'upto'
  nonce?: string
  signed: bigint
  stream: boolean
  words: readonly Word[]
  told?: Told
}

export type Evidence = {
  moved: readonly Moved[]
  asked: readonly Asked[]
  shown: readonly Shown[]
  /** What one whole answer costs, units. */
  price: bigint
  /** Most unpaid service, units. */
  limit: bigint
  /** The store lost moves that it had answered for: what it then may lose is bounded by the limit. */
  lost: boolean
  /** Payers may run out of money: what they then do not pay is bounded by the limit. */
  short?: boolean
}

export type Verdict = {
  problems: string[]
  /** Served twice, and paid and got nothing; of the second only the first `limit` units are forgiven, and only after a loss. */
  doubles: bigint
  forgotten: bigint
  /** Most unpaid service that stood at one moment, and what was never paid at all. */
  unpaidMost: bigint
  unpaidEver: bigint
  /** Parts of answers that broke off with their instance, and were not charged. */
  given: number
  served: number
  transfers: number
}

/** Everything that is wrong in a run, and what it cost. */
export const judge = (evidence: Evidence): Verdict => {
  const asked = Map.groupBy(evidence.asked, (one) => one.tag)
  const moved = Map.groupBy(evidence.moved, (one) => one.payer)
  const payers = Map.groupBy(evidence.shown, (one) => one.payer)
  const payments = evidence.shown.map((one) => paymentOf(evidence, one, { asked, moved, payers }))
  const twice = payments.filter(({ produced, wholes }) => produced > 1 || wholes > 1)
  const forgotten = payments.filter(isForgotten)
  const unpaid = unpaidOf(payments)
  const doubles = sum(
    twice.map(({ price, produced, wholes }) => price * BigInt(Math.max(produced, wholes) - 1)),
  )
  const gone = sum(forgotten.map(({ paid }) => paid))
  const problems = [
    ...bounded(evidence, twice, doubles, 'served twice'),
    ...bounded(evidence, forgotten, gone, 'paid, and neither answered nor credited'),
    ...payments.flatMap((one) => [...oddities(one), ...transferred(one)]),
    ...strangers(evidence, payers),
    ...(unpaid.most > evidence.limit ? [`unpaid service of ${unpaid.most}, limit ${evidence.limit}`] : []),
    ...bounded(
      { ...evidence, lost: evidence.lost || evidence.short === true },
      unpaid.never,
      unpaid.ever,
      'answered and never paid',
    ),
  ]
  return {
    problems,
    doubles,
    forgotten: gone,
    unpaidMost: unpaid.most,
    unpaidEver: unpaid.ever,
    given: payments.filter((one) => one.wholes === 0 && one.reached && one.paid === 0n).length,
    served: payments.filter((one) => one.wholes > 0).length,
    transfers: evidence.moved.length,
  }
}

/** One payment with all that is known of it. `reached`: some of an answer got to its client. */
type Payment = Shown & {
  produced: number
  wholes: number
  reached: boolean
  begun: number
  ended: number
  transfers: readonly Moved[]
  paid: bigint
  price: bigint
}

type Index = {
  asked: ReadonlyMap<string, Asked[]>
  moved: ReadonlyMap<string, Moved[]>
  payers: ReadonlyMap<string, Shown[]>
}

const paymentOf = (evidence: Evidence, shown: Shown, { asked, moved, payers }: Index): Payment => {
  const requests = asked.get(shown.tag) ?? []
  const given = requests.filter((one) => one.outcome !== 'failed')
  const transfers = ofPayment(shown, moved.get(shown.payer) ?? [], payers.get(shown.payer) ?? [])
  return {
    ...shown,
    produced: servicesIn(given),
    wholes: shown.words.filter((one) => one.status === 200 && one.whole).length,
    reached: shown.words.some((one) => one.status === 200 && one.bytes > 0),
    begun: Math.min(...given.map((one) => one.at)),
    ended: Math.max(...given.map((one) => one.ended)),
    transfers,
    paid: sum(transfers.map((one) => one.units)),
    price: evidence.price,
  }
}

/** An instance that gave up an answer as too late asks once more for the same call, which is one service. */
const servicesIn = (given: readonly Asked[]): number =>
  given.filter(
    (one, i) => !given.slice(0, i).some((before) => before.by === one.by && one.at - before.at >= LATE_MS),
  ).length

/** A little less than an instance of these runs waits for the first byte, ms. */
const LATE_MS = 1_900

/** The transfers of one payment: by its nonce where the chain tells it, else those of its payer that no nonce explains. */
const ofPayment = (shown: Shown, moved: readonly Moved[], siblings: readonly Shown[]): Moved[] => {
  if (shown.nonce !== undefined) return moved.filter((one) => one.nonce === shown.nonce)
  const nameless = moved.filter((one) => one.nonce === undefined)
  const others = siblings.filter((one) => one.nonce === undefined)
  if (others.length <= 1) return nameless
  // Several payments of one payer that the chain does not tell apart: whole answers take theirs first.
  const order = others.toSorted((a, b) => Number(isAnswered(b)) - Number(isAnswered(a)))
  const at = order.indexOf(shown)
  return at === order.length - 1 ? nameless.slice(at) : nameless.slice(at, at + 1)
}

const isAnswered = ({ words, told }: Shown): boolean =>
  words.some((one) => one.status === 200 && one.whole) || (told?.settlement ?? 'none') !== 'none'

/** It was paid, its client has nothing for it, and nobody says that it is credit. */
const isForgotten = ({ paid, wholes, reached, told }: Payment): boolean => {
  if (paid === 0n || wholes > 0) return false
  if (!told) return !reached
  return !reached && told.charged - told.refunded > 0n
}

/** What must never be, whatever the store lost. */
const oddities = ({ tag, way, words, produced, told, price, signed, wholes, reached }: Payment): string[] => {
  const name = `${way} ${tag}`
  const kept = told ? told.charged - told.refunded : 0n
  const last = words.at(-1)
  return [
    ...words.flatMap((one) => [
      ...(one.status >= 500 && one.code === 'internal' ? [`${name}: ${one.status} internal`] : []),
      ...(one.status === 200 && one.whole && one.own === false
        ? [`${name}: the answer of another call`]
        : []),
    ]),
    ...(wholes > 0 && produced === 0 ? [`${name}: answered, and the provider never`] : []),
    // Of an answer that broke off, what arrived is estimated.
    ...(kept > signed || (wholes > 0 && kept > price) ? [`${name}: charged ${kept}`] : []),
    ...(last && isRefusal(last) && !reached && kept > 0n
      ? [`${name}: refused (${last.code}) and charged ${kept}`]
      : []),
  ]
}

const NOT_CHARGED: ReadonlySet<string> = new Set([
  'payment_released',
  'ledger_unavailable',
  'chain_unavailable',
])

const isRefusal = ({ status, code }: Word): boolean => status === 402 || NOT_CHARGED.has(code ?? '')

const transferred = ({ tag, way, transfers, paid, signed }: Payment): string[] => [
  ...(transfers.length > 1 ? [`${way} ${tag}: ${transfers.length} transfers`] : []),
  ...(paid > signed ? [`${way} ${tag}: ${paid} moved, ${signed} signed`] : []),
]

/** Transfers that no payment of the run explains. */
const strangers = ({ moved }: Evidence, payers: ReadonlyMap<string, Shown[]>): string[] =>
  moved.flatMap(({ payer, nonce, units }) => {
    const own = payers.get(payer) ?? []
    const known = own.some((one) => one.nonce === nonce)
    return known ? [] : [`${units} moved from ${payer}, who signed no such payment`]
  })

/** At risk is all that was signed while the provider answers, and then what the answer costs, until it is paid. */
const unpaidOf = (payments: readonly Payment[]) => {
  const served = payments.filter((one) => one.wholes > 0 && one.produced > 0)
  const steps = served.flatMap(({ begun, ended, signed, price, transfers }): Step[] => {
    const paidAt = Math.min(...transfers.map((one) => one.at))
    if (paidAt <= begun) return []
    if (paidAt <= ended)
      return [
        [begun, signed],
        [paidAt, -signed],
      ]
    const during: Step[] = [
      [begun, signed],
      [ended, price - signed],
    ]
    return Number.isFinite(paidAt) ? [...during, [paidAt, -price]] : during
  })
  let now = 0n
  let most = 0n
  for (const [, by] of steps.toSorted(([a, x], [b, y]) => a - b || Number(x - y))) {
    now += by
    if (now > most) most = now
  }
  const never = served.filter((one) => one.paid === 0n)
  return { most, never, ever: sum(never.map((one) => one.price)) }
}

type Step = [at: number, by: bigint]

/** Each of them is a problem; after a loss only what is beyond the limit is. */
const bounded = (
  { lost, limit }: Evidence,
  found: readonly Payment[],
  worth: bigint,
  what: string,
): string[] => {
  if (!lost) return found.map((one) => `${one.way} ${one.tag}: ${what}${detailOf(one)}`)
  return worth > limit ? [`${found.length} payments ${what}, ${worth} units, limit ${limit}`] : []
}

const detailOf = ({ produced, wholes, paid, told, words }: Payment): string => {
  const said = words.map(({ status, code }) => code ?? status).join(' ')
  const stands = told ? `${told.service}/${told.settlement} ${told.charged}-${told.refunded}` : 'not told'
  return ` (given ${produced}×, whole ${wholes}×, paid ${paid}, ${stands}; ${said})`
}

const sum = (all: readonly bigint[]): bigint => all.reduce((total, one) => total + one, 0n)

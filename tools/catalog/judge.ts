import { maxOf, minOf, type Rate } from '../../src/money.ts'
import {
  type Evidence,
  type Part,
  type Price,
  type PriceTier,
  priceOn,
  SOLD,
  type Sold,
  TOLD,
} from './evidence.ts'

const LATER_COPY = 'models.dev, later copy' satisfies Evidence['by']

/** Why a price is to be taken with care. */
export type Flag = 'one-source' | 'sources-differ' | 'introductory' | 'follows-maker'

/** A price that is sold at, from `from` on; the first has no `from`. */
export type Verdict = {
  prices: readonly { from?: string; price: Price }[]
  by: readonly string[]
  date: string | undefined
  flag: Flag | undefined
  /** The first change that a source dates, whether it lies before or after the day. */
  changes: { before: Price; from: string; after: Price } | undefined
}

/** What so many other providers usually ask for the same model. */
export type Usual = { input: Rate; output: Rate; providers: number }

/** Newest day that the undated sources know of: their prices are compared as of then. */
export const AS_OF = '2026-08-22'

/** Decides what a host costs from `day` on: two sources within 1 % agree, else the higher is taken and flagged; undefined where nobody can be believed. */
export const judge = (
  evidence: readonly Evidence[],
  day: string,
  usual: Usual | undefined,
): Verdict | undefined => {
  const words = believable(evidence, usual)
  if (words.length === 0) return undefined
  const dated = words.find(
    (one) => knowsDates(one) && disagreeing(one, words).every((other) => explains(one, other)),
  )
  const agreeing = dated ? words.filter((one) => agrees(one, dated)) : largestAgreement(words)
  const explained = dated ? disagreeing(dated, words) : []
  const against = words.filter((one) => !agreeing.includes(one) && !explained.includes(one))
  const confirmed = agreeing.length > 1
  const newest = newestOf(agreeing)
  const newer = against.filter(
    (one) => one.by === LATER_COPY || one.date === undefined || newest === undefined || one.date > newest,
  )
  // A newer and dearer word outweighs two older ones; that of a copy without a date does not.
  const dearer = (confirmed ? newer.filter((one) => one.by !== LATER_COPY) : against).filter((one) =>
    isDearer(one, agreeing),
  )
  const used = [...agreeing, ...dearer]
  return {
    prices: timeline(used, dated, day),
    by: [...used, ...explained].map((one) => one.by),
    date: newestOf([...used, ...explained]),
    flag: flagOf({ confirmed, doubts: (confirmed ? newer : against).length, explained: explained.length }),
    changes: dated && changeOf(dated),
  }
}

/** What a dated source says of the time after the sources were read. */
const changeOf = (dated: Evidence): Verdict['changes'] => {
  const next = dated.prices.find(({ from }) => from !== undefined && from > AS_OF)
  return next && { before: priceOn(dated, AS_OF), from: next.from!, after: next.price }
}

const flagOf = (of: { confirmed: boolean; doubts: number; explained: number }): Flag | undefined => {
  if (of.doubts > 0) return 'sources-differ'
  if (of.confirmed) return undefined
  return of.explained > 0 ? 'introductory' : 'one-source'
}

const knowsDates = (one: Evidence): boolean => one.prices.length > 1
const disagreeing = (one: Evidence, words: readonly Evidence[]): Evidence[] =>
  words.filter((other) => !agrees(one, other))

/** The prices from `day` on: sources without dates are as of `AS_OF`; what a dated source says from then on holds alone. */
const timeline = (used: readonly Evidence[], dated: Evidence | undefined, day: string): Verdict['prices'] => {
  if (!dated) return [{ price: highest(used.map((one) => priceOn(one, AS_OF))) }]
  const at = (when: string): Price => {
    const own = priceOn(dated, when)
    const same = own === priceOn(dated, AS_OF)
    return same ? highest(used.map((one) => priceOn(one, AS_OF))) : own
  }
  const later = dated.prices.flatMap(({ from }) => (from !== undefined && from > day ? [from] : []))
  return [{ price: at(day) }, ...later.map((from) => ({ from, price: at(from) }))]
}

/** Without what a loose pattern got wrong, and without what is off by a unit: by far from what the other hosts of the model ask. */
const believable = (evidence: readonly Evidence[], usual: Usual | undefined): readonly Evidence[] => {
  const firm = evidence.filter((one) => !one.loose)
  const words = firm.length > 0 ? evidence.filter((one) => !one.loose || agrees(one, firm[0]!)) : evidence
  if (words.length === 0 || largestAgreement(words).length > 1) return words
  const torn = isFar(SIDES.map((side) => words.map((one) => base(one, side))))
  // One other provider can tell which of two is wrong; that a lone word is, it takes three to say.
  if (usual && (torn || usual.providers >= 3))
    return words.filter((one) => !isFar(SIDES.map((side) => [base(one, side), usual[side]])))
  return torn ? [] : words
}

const SIDES = ['input', 'output'] as const
const FAR = 6n
const isFar = (sides: readonly (readonly Rate[])[]): boolean =>
  sides.some((rates) => {
    const sold = rates.filter((rate) => rate > 0n)
    return sold.length > 1 && sold.reduce(maxOf) > FAR * sold.reduce(minOf)
  })

const base = (one: Evidence, part: Sold): Rate => priceOn(one, AS_OF).parts[part] ?? (0n as Rate)

const within = (a: Rate, b: Rate): boolean => {
  const [low, high] = a < b ? [a, b] : [b, a]
  return high * 100n <= low * 101n
}
const agrees = (one: Evidence, other: Evidence): boolean =>
  within(base(one, 'input'), base(other, 'input')) && within(base(one, 'output'), base(other, 'output'))

/** The largest set that agrees; of equal ones the dearest, so that doubt is quoted high. */
const largestAgreement = (words: readonly Evidence[]): Evidence[] =>
  words
    .map((one) => words.filter((other) => agrees(one, other)))
    .reduce((best, set) =>
      set.length > best.length || (set.length === best.length && weightOf(set) > weightOf(best)) ? set : best,
    )
const weightOf = (set: readonly Evidence[]): Rate =>
  set.map((one) => (base(one, 'input') + base(one, 'output')) as Rate).reduce(maxOf)

/** What the other says is what this one says for other days. */
const explains = (one: Evidence, other: Evidence): boolean =>
  one.prices.some(
    ({ price }) =>
      within(price.parts.input ?? (0n as Rate), base(other, 'input')) &&
      within(price.parts.output ?? (0n as Rate), base(other, 'output')),
  )

const isDearer = (one: Evidence, than: readonly Evidence[]): boolean =>
  than.every((other) => base(one, 'input') > base(other, 'input')) ||
  than.every((other) => base(one, 'output') > base(other, 'output'))

const newestOf = (words: readonly Evidence[]): string | undefined =>
  words
    .map((one) => one.date)
    .filter((date) => date !== undefined)
    .sort()
    .at(-1)

/** Part by part the highest of several prices; above a threshold of any of them the highest that holds there. */
export const highest = (prices: readonly Price[]): Price => {
  const parts: Partial<Record<Part, Rate>> = {}
  for (const part of [...SOLD, ...TOLD]) {
    const rates = prices.map((one) => one.parts[part]).filter((rate) => rate !== undefined)
    if (rates.length > 0) parts[part] = rates.reduce(maxOf)
  }
  const named = prices.map((one) => realThresholds(one, prices))
  const overs = [...new Set(named.flatMap((one) => one.tiers.map((tier) => tier.over)))].sort((a, b) => a - b)
  const tiers = overs.map((over) => ({ over, parts: highestAbove(named, over) }))
  return { parts, tiers: tiers.filter((tier) => SOLD.some((part) => differs(tier.parts, parts, part))) }
}

/** A part that is not named costs as much as input. */
const differs = (tier: PriceTier['parts'], base: PriceTier['parts'], part: Sold): boolean =>
  (tier[part] ?? tier.input) !== (base[part] ?? base.input)

const highestAbove = (prices: readonly Price[], over: number): PriceTier['parts'] => {
  const parts: PriceTier['parts'] = {}
  const there = prices.map((one) => ({
    base: one.parts,
    tier: one.tiers.findLast((tier) => tier.over <= over)?.parts,
  }))
  const tiered = there.flatMap(({ tier }) => tier ?? [])
  for (const part of SOLD) {
    const dearest = part === 'input' || part === 'output'
    // What a tier does not say of its cache is not what the cache costs below it.
    const said = dearest
      ? there.map(({ base, tier }) => tier?.[part] ?? base[part])
      : tiered.map((tier) => tier[part])
    const rates = said.filter((rate) => rate !== undefined)
    if (rates.length > 0) parts[part] = rates.reduce(maxOf)
  }
  return parts
}

/** A source that cuts its price lists at 128k names that where others know the real threshold. */
const realThresholds = (one: Price, all: readonly Price[]): Price => {
  const real = all.flatMap((other) => other.tiers).find((tier) => tier.over !== BUCKET)?.over
  const [tier, ...more] = one.tiers
  return real !== undefined && tier?.over === BUCKET && more.length === 0
    ? { ...one, tiers: [{ ...tier, over: real }] }
    : one
}
const BUCKET = 128_000

/** Whether its caller may make this call, and what it draws on: asked for the price, and again before the hold. */

import { leftOf, limitOf, usedOf } from '../accounts/budget.ts'
import { approvalNeeded, barred, beyond, type Caller } from '../accounts/caller.ts'
import type { Budget } from '../accounts/node.ts'
import { type Asset, type Hex, toUsd } from '../assets.ts'
import { fail, Refusal } from '../errors.ts'
import type { Call } from '../ledger/call.ts'
import type { Posted } from '../ledger/ledger.ts'
import { COUNTER } from '../ledger/names.ts'
import { printUsd, type Usd } from '../money.ts'
import type { Quote } from '../quote/quote.ts'
import type { Terms } from '../quote/seal.ts'
import type { Allowed } from '../route/router.ts'
import type { Order } from '../wire/order.ts'
import type { Deps } from './deps.ts'

/** A request header with the id of an approval. */
export const APPROVAL_HEADER = 'X-Farebox-Approval'
/** A request header with tags that costs are attributed to, such as `project=apollo, run=17`. */
export const TAGS_HEADER = 'X-Farebox-Tags'

/** Who asks for a call, as far as that came through the door. */
export type Asker = {
  /** A bearer key of ours. */
  bearer?: string | undefined
  /** Where it calls from. */
  address?: string | undefined
  approval?: string | undefined
  tags?: Readonly<Record<string, string>> | undefined
}

/**
 * Gives what a call carries of its caller, to be asked when it is claimed: its budgets are those of that moment, since
 * until then a chain is asked or a deposit is waited for, and another window may begin.
 */
export type Permit = () => Pick<Call, 'account' | 'budgets' | 'tags' | 'approval'>

/** What a caller lets the router choose from. */
export const allowedBy = ({ routing }: Caller): Allowed => routing

/** Refuses a price that its caller would be refused for when it has paid: nobody is to sign for nothing. */
export const screen = async (
  deps: Deps,
  caller: Caller,
  { order, ...asker }: Asker & { order: Order },
  quote: Quote,
): Promise<void> => {
  if (caller.bounds.length === 0) return
  const { strategy, ceiling } = quote
  const models = quote.routes.map(({ model }) => model)
  check(deps, caller, asker, { models, strategy, ceiling })
  await approved(deps, caller, asker, { order, ceiling, asked: quote.asked })
  await room(deps, caller, order, ceiling)
}

/** Refuses what a budget has no room for at this moment, before money moves for it; the claim alone holds it. */
export const room = async (deps: Deps, caller: Caller, order: Order, ceiling: Usd): Promise<void> => {
  const now = deps.clock.now()
  for (const { bound, budget, drawn } of drawsOf(deps, caller, now)) {
    if (drawn.limit === undefined) continue
    const counters = await deps.ledger.countersOf([drawn.counter, ...(drawn.beside ?? [])])
    const used = usedOf(drawn, counters)
    if (used + ceiling <= drawn.limit) continue
    deps.alerts.refused(caller, bound.id, budget)
    throw reached(deps, { caller, order, now, bound, budget, used, ceiling })
  }
}

/** What the call of a payment carries of its caller; refuses when it may not be made. `used`: why a payment cannot be taken again, which who shows it again is told before all else. */
export const permit = async (
  deps: Deps,
  caller: Caller,
  { order, ...asker }: Asker & { order: Order },
  { terms, asset, used }: { terms: Terms; asset: Asset; used: () => Promise<Refusal | undefined> },
): Promise<Permit> => {
  const { tags } = asker
  const plain = tags && Object.keys(tags).length > 0 ? { tags } : {}
  if (caller.bounds.length === 0) return () => plain
  const ceiling = toUsd(terms.ceiling, asset.decimals)
  const models = terms.routes.map(({ model }) => model)
  const { chain, address, symbol } = asset
  const paidIn = { chain, address, symbol }
  try {
    fitQuote(deps, caller, { ...asker, order }, { models, strategy: terms.strategy, ceiling, paidIn })
    await paced(deps, caller, order)
    // Nobody is to be asked for the approval of what has run already.
    const taken = approvalNeeded(caller, ceiling) && (await used())
    if (taken) throw taken
  } catch (error) {
    throw (await used()) ?? error
  }
  const approval = await approved(deps, caller, asker, { order, ceiling, asked: terms.asked })
  return () => {
    const budgets = drawsOf(deps, caller, deps.clock.now()).map(({ drawn }) => drawn)
    return {
      ...plain,
      ...(caller.path.length > 0 && { account: caller.path }),
      ...(budgets.length > 0 && { budgets }),
      ...(approval !== undefined && { approval }),
    }
  }
}

/** What to tell a caller whose claim a budget refused; undefined when it was something else. */
export const refusedBy = (
  deps: Deps,
  caller: Caller,
  posted: Extract<Posted, { ok: false; why: 'limit' }>,
  { order, ceiling }: { order: Order; ceiling: Usd },
): Refusal | undefined => {
  const now = deps.clock.now()
  // By the budget, not by its window: another may have begun since the call was let through.
  const draw = drawsOf(deps, caller, now).find(({ bound, budget }) =>
    posted.counter.startsWith(COUNTER.budget(bound.id, budget.id, '')),
  )
  if (!draw) return undefined
  const { bound, budget, drawn } = draw
  deps.alerts.refused(caller, bound.id, budget)
  const over = drawn.counter !== posted.counter && { resets: now }
  return reached(deps, { caller, order, now, bound, budget, used: posted.value as Usd, ceiling, ...over })
}

const check = (
  deps: Deps,
  caller: Caller,
  { address }: Asker,
  asking: Parameters<typeof beyond>[1],
): void => {
  const refusal = barred(caller, deps.clock.now(), address) ?? beyond(caller, asking)
  if (refusal) throw refusal
}

/** Refuses like `check`; only a quote that does not fit, where its caller's own would, is refused with that one: what a wallet may do was not known when it asked for the price. */
const fitQuote = (
  deps: Deps,
  caller: Caller,
  { order, ...asker }: Asker & { order: Order },
  asking: Parameters<typeof beyond>[1],
): void => {
  try {
    check(deps, caller, asker, asking)
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'key_scope') throw error
    try {
      const { routes, strategy, ceiling } = deps.quoter.quote(order, allowedBy(caller))
      check(deps, caller, asker, { ...asking, models: routes.map(({ model }) => model), strategy, ceiling })
    } catch {
      throw error
    }
    throw fail('quote_payer_mismatch')
  }
}

/** What was counted: what stands in line is asked about a second time, and is one call all the same. */
const counted = new WeakSet<Order>()

/** Counts the call by the rates of its key and of all above it, the key's first: what one key asks too much takes nothing from the others. */
const paced = async ({ admission }: Deps, { bounds }: Caller, order: Order): Promise<void> => {
  if (counted.has(order)) return
  counted.add(order)
  for (const { id, rules } of bounds.toReversed())
    if (rules.perMinute !== undefined)
      await admission.within(id, { perSecond: rules.perMinute / 60, burst: rules.perMinute })
}

const approved = async (
  deps: Deps,
  caller: Caller,
  { approval }: Asker,
  { order, ceiling, asked }: { order: Order; ceiling: Usd; asked: string },
): Promise<string | undefined> => {
  const needed = approvalNeeded(caller, ceiling)
  if (!needed) return undefined
  return deps.approvals.need({ caller, needed, model: asked, digest: order.digest, ceiling, approval })
}

type Drawing = {
  bound: Caller['bounds'][number]
  budget: Budget
  drawn: NonNullable<Call['budgets']>[number]
}

/** All budgets that bind a caller, the organisation's first: the first that is reached is the one that is named. */
const drawsOf = ({ budgets }: Pick<Deps, 'budgets'>, caller: Caller, now: number): Drawing[] =>
  caller.bounds.flatMap((bound) =>
    bound.budgets.flatMap((budget) => {
      const draw = budgets.drawOf(bound.id, budget, now)
      return draw ? [{ bound, budget, drawn: draw.drawn }] : []
    }),
  )

type Reached = Pick<Drawing, 'bound' | 'budget'> & {
  caller: Caller
  order: Order
  now: number
  used: Usd
  ceiling: Usd
  /** When the window that refused ended, where that was before now. */
  resets?: number
}

const reached = (deps: Deps, facts: Reached): Refusal => {
  const { caller, order, now, bound, budget, used, ceiling } = facts
  const left = leftOf(budget, used)
  const resets = facts.resets ?? deps.budgets.windowOf(budget, now)?.resets
  return fail('budget_reached', {
    level: bound.level,
    name: bound.name,
    per: budget.per,
    left: printUsd(left),
    limit: printUsd(limitOf(budget)),
    needed: printUsd(ceiling),
    fits: fitting(deps, caller, order, left),
    resets: resets === undefined ? 'never' : new Date(resets).toISOString(),
    ...(resets !== undefined && { retryAfter: Math.max(1, Math.ceil((resets - now) / 1000)) }),
    param: 'max_tokens',
  })
}

/** The `max_tokens` with which the same request would stay within a sum. */
const fitting = ({ quoter }: Deps, caller: Caller, order: Order, left: Usd): number => {
  try {
    return quoter.fits(quoter.quote(order, allowedBy(caller)), left)
  } catch {
    return 0
  }
}

/** The key of a wallet, or of a bearer key; what a payment only claims to be is proven before anything is held for it. */
export const whoAsks = (
  deps: Pick<Deps, 'directory'>,
  { bearer }: Asker,
  wallet: Hex | undefined,
): Caller | Promise<Caller> => deps.directory.who({ bearer, wallet })

import { assetKey, type ChainId, type Hex, toUnits } from '../assets.ts'
import { tokenTransferData } from '../chain/approval.ts'
import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import { fail, Refusal } from '../errors.ts'
import { type Errand, newErrand } from '../ledger/errand.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ACCOUNT } from '../ledger/moves.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Usd } from '../money.ts'
import type { Till } from '../quote/offers.ts'
import type { Settler } from '../settle/settler.ts'

/** What a payer asks for. `amount` in units, all free credit when left out. `nonce`: of the sign-in; the same one is the same payout. */
export type Wish = { payer: Hex; till: Till; amount?: bigint | undefined; nonce?: string }

/** Credit that goes back to its payer on the chain, out of what the settler holds of the token, and to nobody else. */
export type Payouts = {
  /** Orders a payout; stored when it resolves. Refuses when the credit is not free, or the settler holds too little. */
  order: (wish: Wish) => Promise<Errand>
  /** The payout that was ordered with a sign-in before. */
  byNonce: (nonce: string) => Promise<Errand | undefined>
  find: (id: string) => Promise<Errand | undefined>
  /** Pays out credit above the threshold; also on a timer. */
  look: () => Promise<void>
  start: () => void
  stop: () => Promise<void>
}

export type PayoutFacts = {
  ledger: Ledger
  tills: readonly Till[]
  chainOf: (id: ChainId) => Pick<Chain, 'balance' | 'reverts'>
  settlerOf: (id: ChainId) => Pick<Settler, 'order'>
  settler: Hex
  clock: Clock
  log: Log
  /** Credit from this on is paid out without being asked for; never when left out. */
  above?: Usd | undefined
  /** Less is not worth its gas. */
  least: Usd
}

const EVERY_MS = 60_000
/** A payer whose payout failed is not paid by itself again for so long. */
const REST_MS = 3_600_000

export const createPayouts = (facts: PayoutFacts): Payouts => {
  const { ledger, tills, settler, clock, log } = facts
  const turns = new Map<string, Promise<unknown>>()
  const resting = new Map<string, number>()
  let stopping = new AbortController()
  let running: Promise<void> | undefined

  /** One payout of a token is decided after the other, so that each sees what the others take of the settler's balance. */
  const inTurn = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(key) ?? Promise.resolve()).then(work, work)
    turns.set(
      key,
      turn.catch(() => {}),
    )
    return turn
  }

  const byNonce = async (nonce: string): Promise<Errand | undefined> => {
    const holder = await ledger.claimant(claimOf(nonce))
    return holder === undefined ? undefined : ledger.errand(holder)
  }

  /** Payouts of a token that may not have left the settler's balance yet. */
  const openOf = async ({ asset }: Till): Promise<Errand[]> =>
    (await ledger.openErrands()).filter(
      ({ task, chain, token }) => task.kind === 'payout' && chain === asset.chain && token === asset.address,
    )

  const unitsToPay = async ({ payer, till, amount }: Wish): Promise<bigint> => {
    const credit = await ledger.balance(assetKey(till.asset), ACCOUNT.credit(payer))
    const least = toUnits(facts.least, till.asset.decimals)
    const wanted = amount ?? credit
    if (wanted > credit) throw fail('payout_short', { credit })
    if (wanted < least || wanted === 0n) throw fail('payout_too_small', { least, credit })
    return wanted
  }

  const checkFloat = async (
    { asset }: Till,
    payer: Hex,
    amount: bigint,
    open: readonly Errand[],
  ): Promise<void> => {
    const chain = facts.chainOf(asset.chain)
    const leaving = open
      .filter((one) => one.settlement.at !== 'included')
      .reduce((sum, one) => sum + one.amount, 0n)
    const held = await chain.balance(asset.address, settler)
    const why =
      held - leaving < amount
        ? `send ${asset.symbol} to the settler: it holds ${held} units, ${leaving + amount} are to be paid out`
        : (await chain.reverts(asset.address, tokenTransferData(payer, amount), settler))
          ? 'the token refuses the transfer'
          : undefined
    if (why === undefined) return
    log.error('payout_unavailable', { chain: asset.chain, settler, payer, amount: amount.toString(), why })
    throw fail('payout_unavailable', { retryAfter: 600 })
  }

  const decide = async (wish: Wish): Promise<Errand> => {
    const { payer, till, nonce } = wish
    const before = nonce === undefined ? undefined : await byNonce(nonce)
    if (before) return same(before, wish)
    const open = await openOf(till)
    // Two alike in one transaction could not be told apart by its logs.
    const mine = open.find((one) => one.payer === payer)
    if (mine) throw fail('payout_in_flight', { id: mine.id })
    const amount = await unitsToPay(wish)
    await checkFloat(till, payer, amount, open)
    const posted = await facts
      .settlerOf(till.asset.chain)
      .order(newPayout(wish, settler, amount, clock.now()))
    if (posted.ok) {
      log.info('payout', { id: posted.call.id, payer, chain: till.asset.chain, amount: amount.toString() })
      return posted.call
    }
    if (posted.why === 'claimed' && posted.call.is === 'errand') return same(posted.call, wish)
    throw fail('payout_short', { credit: posted.why === 'short' ? posted.balance : undefined })
  }

  const order = (wish: Wish): Promise<Errand> => inTurn(assetKey(wish.till.asset), () => decide(wish))

  const payOut = async (payer: Hex, till: Till): Promise<void> => {
    const key = `${assetKey(till.asset)} ${payer}`
    if ((resting.get(key) ?? 0) > clock.now()) return
    resting.delete(key)
    try {
      await order({ payer, till })
    } catch (error) {
      if (error instanceof Refusal && error.code === 'payout_in_flight') return
      resting.set(key, clock.now() + REST_MS)
      log.warn('payout_failed', { payer, chain: till.asset.chain, why: reasonOf(error) })
    }
  }

  const look = async (): Promise<void> => {
    const { above } = facts
    if (above === undefined) return
    const rows = await ledger.balances()
    for (const till of tills) {
      const from = toUnits(above, till.asset.decimals)
      const book = assetKey(till.asset)
      for (const { asset, account, value } of rows) {
        const payer = CREDIT.exec(account)?.[1]
        if (asset === book && payer !== undefined && value >= from) await payOut(payer as Hex, till)
      }
    }
  }

  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await look().catch((error) => log.warn('payouts_failed', { why: reasonOf(error) }))
      await clock.sleep(EVERY_MS, signal)
    }
  }

  return {
    order,
    byNonce,
    find: async (id) => {
      const errand = await ledger.errand(id)
      return errand?.task.kind === 'payout' ? errand : undefined
    },
    look,
    start: () => {
      if (facts.above === undefined || running) return
      stopping = new AbortController()
      running = run(stopping.signal)
    },
    stop: async () => {
      stopping.abort()
      await running
      running = undefined
    },
  }
}

const CREDIT = /^credit:(0x[0-9a-f]{40})$/

const claimOf = (nonce: string): string => `payout:${nonce}`

/** A payout that was ordered before by the same sign-in: the same one again, never another. */
const same = (before: Errand, { payer, till, amount }: Wish): Errand => {
  const fits =
    before.payer === payer &&
    before.chain === till.asset.chain &&
    before.token === till.asset.address &&
    (amount === undefined || amount === before.amount)
  if (!fits) throw fail('idempotency_conflict')
  return before
}

const newPayout = ({ payer, till, nonce }: Wish, settler: Hex, amount: bigint, at: number): Errand =>
  newErrand(till.asset, {
    payer,
    from: settler,
    to: payer,
    ...(nonce !== undefined && { claim: claimOf(nonce) }),
    amount,
    at,
    validAfter: 0n,
    validBefore: 0n,
    settlement: { at: 'due' },
    task: { kind: 'payout' },
  })

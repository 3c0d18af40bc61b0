import type { CallApprovals } from '../accounts/approvals.ts'
import type { Budgets } from '../accounts/budget.ts'
import type { Directory } from '../accounts/directory.ts'
import type { SignIn } from '../accounts/sign-in.ts'
import type { Admission } from '../admit/admit.ts'
import type { Gates } from '../admit/gate.ts'
import type { BudgetAlerts } from '../alerts/budget-alerts.ts'
import type { ChainId } from '../assets.ts'
import type { Prices } from '../catalog/catalog.ts'
import type { Settler as Account } from '../chain/transaction.ts'
import type { Channels } from '../channel/channels.ts'
import type { Deposits } from '../channel/deposit.ts'
import type { Turns } from '../channel/turns.ts'
import type { Clock } from '../clock.ts'
import type { Call } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import type { Usd } from '../money.ts'
import type { FundsCheck } from '../payment/check.ts'
import type { Notary } from '../payment/notary.ts'
import type { Payouts } from '../payment/payout.ts'
import type { Sponsor } from '../payment/sponsor.ts'
import type { Agreed } from '../payment/terms.ts'
import type { Provider } from '../providers/provider.ts'
import type { Learner } from '../quote/learn.ts'
import type { OfferFacts } from '../quote/offers.ts'
import type { Quote, Quoter } from '../quote/quote.ts'
import type { RetryBudget } from '../route/budget.ts'
import type { Health } from '../route/health.ts'
import type { Judge } from '../route/judge.ts'
import type { Prefixes } from '../route/prefixes.ts'
import type { Router } from '../route/router.ts'
import type { Tempo } from '../route/tempo.ts'
import type { Settler } from '../settle/settler.ts'
import type { Order } from '../wire/order.ts'
import type { Answers } from './answers.ts'
import type { Cuts } from './cuts.ts'
import type { Refunds } from './refund.ts'
import type { Tracer } from './trace.ts'
import type { Watch } from './trail.ts'

/** Everything that a call needs, by name; main.ts fills it. */
export type Deps = {
  ledger: Ledger
  /** How this instance is called among those that share the store; undefined when it is alone. */
  instance: string | undefined
  router: Router
  quoter: Quoter
  /** What a request was quoted at before prices changed, while that may still be paid. */
  formerQuotes: (order: Order) => Quote[]
  /** The prices of the model that savings are measured against. */
  flagship: () => Prices | undefined
  offers: OfferFacts
  health: Health
  retries: RetryBudget
  learner: Learner
  prefixes: Prefixes
  /** What `auto` judges models by. */
  judge: Judge
  /** Answers that are given again. */
  answers: Answers
  tempo: Tempo
  clock: Clock
  log: Log
  provider: (id: string) => Provider | undefined
  /** How many calls each provider takes at once. */
  gates: Gates
  /** Who asks, what its budgets are, what it may only do with somebody's yes, and who is told of it. */
  directory: Directory
  budgets: Budgets
  approvals: CallApprovals
  alerts: BudgetAlerts
  /** How often each caller may ask. */
  admission: Admission
  settler: (chain: ChainId) => Settler
  /** Says that a call on a chain is being served, until what it returns is called. */
  serving: (chain: ChainId) => () => void
  /** The payer has code, and such payers are taken: they settle first. Always false where they are not. */
  isContract: (agreed: Agreed) => Promise<boolean>
  /** Finds the agreement that the payer signed; refuses otherwise. */
  checkSignature: <A extends Pick<Agreed, 'till' | 'authorization'>>(candidates: readonly A[]) => Promise<A>
  checkFunds: FundsCheck
  /** Allowances for Permit2 that come with a payment. */
  sponsor: Sponsor
  /** Why a call that is being served can no longer be paid for; undefined when it can. */
  covers: (call: Call) => Promise<string | undefined>
  /** How often that is asked while an unpaid stream runs, ms. */
  recheckMs: number
  /** What the chain says of channels, whose turn it is on them, and deposits into them. */
  channels: Channels
  turns: Turns
  deposits: Deposits
  /** Signs receipts. */
  account: Account
  /** Signs offers and receipts in the form of x402; undefined where that is switched off. */
  notary: Notary | undefined
  refunds: Refunds
  payouts: Payouts
  signIn: SignIn
  exposure: { perCall: Usd; newPayer: Usd; perPayer: Usd; total: Usd }
  /** Ends what still streams when the process can wait no longer. */
  cuts: Cuts
  /** Notes what each paid call goes through. */
  watch: Watch
  /** Who keeps traces; undefined where nobody wants any. */
  tracer: Tracer | undefined
  /** Longest wait for the first byte of a streamed answer, all attempts together, ms. */
  firstByteMs: number
  /** Longest wait for a settlement that must come first, ms. */
  settleFirstMs: number
  /** Where callers reach us, without a slash at the end. */
  publicUrl: string
  /** Named crash points, for the crash matrix; does nothing in a normal process. */
  probe: (point: string) => void
}

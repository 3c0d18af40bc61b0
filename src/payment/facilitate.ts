import type { ChainId, Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { type Clock, seconds } from '../clock.ts'
import { type Code, fail, REFUSALS, Refusal, type Refused } from '../errors.ts'
import { type Errand, newErrand } from '../ledger/errand.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Till } from '../quote/offers.ts'
import { paymentAction } from '../settle/action.ts'
import type { Settler } from '../settle/settler.ts'
import type { Authorization, Payment } from '../wire/payment.ts'
import { type Met, meets, type Requirements } from './meets.ts'
import { checkTime } from './terms.ts'

export type VerifyAnswer = { isValid: boolean; payer?: Hex; invalidReason?: string }
export type SettleAnswer = {
  success: boolean
  transaction: string
  network: string
  payer?: Hex
  amount?: string
  errorReason?: string
}

/** The facilitator that we are to others: checks their payments, and settles them with our gas. No money of ours moves. */
export type Facilitator = {
  supported: () => Supported
  verify: (payment: Payment, wanted: Requirements) => Promise<VerifyAnswer>
  /** Settles once, however often it is asked; `settlement_pending` when the proof takes too long, then ask again. */
  settle: (payment: Payment, wanted: Requirements, signal: AbortSignal) => Promise<SettleAnswer>
}

export type Supported = {
  kinds: { x402Version: 2; scheme: string; network: ChainId; extra?: { facilitatorAddress: Hex } }[]
  extensions: string[]
  signers: Record<string, Hex[]>
}

export type FacilitatorFacts = {
  ledger: Pick<Ledger, 'claimant' | 'errand' | 'openErrands'>
  tills: readonly Till[]
  chainOf: (chain: ChainId) => Chain
  settlerOf: (chain: ChainId) => Pick<Settler, 'order' | 'outcome' | 'head'>
  checkSignature: <A extends { till: Till; authorization: Authorization }>(
    candidates: readonly A[],
  ) => Promise<A>
  /** Contracts are taken as payers. */
  contracts: boolean
  settler: Hex
  clock: Clock
  /** Most payments on their way at once: what their gas could cost us. */
  maxOpen: number
  /** Longest wait for a proof, ms. */
  timeoutMs: number
}

/** A facilitator over our own settlers. A refusal of the payment is an answer; only a chain or ledger that is away throws. */
export const createFacilitator = (facts: FacilitatorFacts): Facilitator => {
  const { ledger, clock, settler } = facts
  /** Who asks to settle what now: one payment counts once, however often it is shown. */
  const entering = new Map<string, number>()

  /** Whoever asks has shown a payment that its payer signed for just this. */
  const signed = async (payment: Payment, wanted: Requirements): Promise<Met> => {
    const job = meets(payment, wanted, facts)
    await facts.checkSignature([job])
    return job
  }

  const onChain = async ({ till, authorization, amount, sponsored }: Met): Promise<void> => {
    const { chain: id, address: token } = till.asset
    const { kind, from: payer, nonce } = authorization
    checkTime(authorization, Math.max(seconds(clock.now()), facts.settlerOf(id).head().timestamp))
    const chain = facts.chainOf(id)
    const { balance, allowance, used, code } = await chain.payer({ kind, token, payer, nonce })
    if (code !== 'none' && !facts.contracts) throw fail('payer_is_contract')
    if (used) throw fail('authorization_used')
    if (balance < amount) throw fail('insufficient_funds')
    if (allowance !== undefined && allowance < amount && !sponsored) throw fail('insufficient_allowance')
    if (amount === 0n) return
    const { to, data } = paymentAction(authorization, { token, amount, settler, sponsored })
    const why = await chain.whyReverts(to, data, settler)
    if (why !== undefined) throw fail('settlement_failed', { why })
  }

  /** The errand that settles this very payment; refuses when the authorization is taken for anything else. */
  const before = async ({ claim, authorization }: Met): Promise<Errand | undefined> => {
    const id = await ledger.claimant(claim)
    if (id === undefined) return undefined
    const errand = await ledger.errand(id)
    const same =
      errand?.task.kind === 'relay' && errand.task.authorization.signature === authorization.signature
    if (!same) throw fail('payment_already_used')
    return errand
  }

  const order = async (job: Met): Promise<Errand> => {
    entering.set(job.claim, (entering.get(job.claim) ?? 0) + 1)
    try {
      const open = (await ledger.openErrands()).filter(({ task }) => task.kind === 'relay').length
      if (open + entering.size > facts.maxOpen) throw fail('facilitator_busy')
      const posted = await facts.settlerOf(job.till.asset.chain).order(errandOf(job, clock.now()))
      if (posted.ok) return posted.call
      const other = await before(job)
      if (!other) throw fail('internal')
      return other
    } finally {
      const left = entering.get(job.claim)! - 1
      if (left > 0) entering.set(job.claim, left)
      else entering.delete(job.claim)
    }
  }

  /** Undefined for an amount of zero: as the scheme says, nothing moves and the authorization is not used up. */
  const enter = async (job: Met): Promise<Errand | undefined> => {
    try {
      await onChain(job)
    } catch (error) {
      // Asked twice at once, the other may have settled it meanwhile.
      const other = await before(job)
      if (other) return other
      throw error
    }
    return job.amount === 0n ? undefined : order(job)
  }

  return {
    supported: () => supportedBy(facts.tills, settler),
    verify: async (payment, wanted) => {
      try {
        const job = await signed(payment, wanted)
        if ((await ledger.claimant(job.claim)) !== undefined) throw fail('payment_already_used')
        await onChain(job)
        return { isValid: true, payer: job.authorization.from }
      } catch (error) {
        return { isValid: false, invalidReason: nameOf(error), ...payerOf(payment) }
      }
    },
    settle: async (payment, wanted, signal) => {
      try {
        const job = await signed(payment, wanted)
        const errand = (await before(job)) ?? (await enter(job))
        if (!errand)
          return { success: true, transaction: '', network: wanted.network, amount: '0', ...payerOf(payment) }
        const patience = AbortSignal.any([signal, AbortSignal.timeout(facts.timeoutMs)])
        await facts.settlerOf(errand.chain).outcome(errand.id, patience)
        return answerOf((await ledger.errand(errand.id)) ?? errand)
      } catch (error) {
        const errorReason = nameOf(error)
        return { success: false, transaction: '', network: wanted.network, errorReason, ...payerOf(payment) }
      }
    },
  }
}

const errandOf = ({ till, authorization, amount, sponsored, claim }: Met, at: number): Errand =>
  newErrand(till.asset, {
    payer: authorization.from,
    from: authorization.from,
    to: authorization.to,
    claim,
    amount,
    at,
    validAfter: authorization.validAfter,
    validBefore: authorization.validBefore,
    settlement: { at: 'due' },
    task: { kind: 'relay', authorization, ...(sponsored && { sponsored }) },
  })

const answerOf = ({ settlement, chain, payer, amount }: Errand): SettleAnswer => {
  const told = { network: chain, payer, amount: amount.toString() }
  if (settlement.at === 'settled') return { success: true, transaction: settlement.proof.hash, ...told }
  if (settlement.at === 'lost')
    return { success: false, transaction: '', ...told, errorReason: 'invalid_transaction_state' }
  const hash = 'proof' in settlement ? settlement.proof.hash : 'hash' in settlement ? settlement.hash : ''
  return { success: false, transaction: hash, ...told, errorReason: 'settlement_pending' }
}

const supportedBy = (tills: readonly Till[], settler: Hex): Supported => {
  const kinds = new Map<string, Supported['kinds'][number]>()
  for (const { asset, ways } of tills) {
    for (const { scheme } of ways) {
      if (scheme === 'batch-settlement') continue
      const extra = scheme === 'upto' && { extra: { facilitatorAddress: settler } }
      kinds.set(`${asset.chain} ${scheme}`, { x402Version: 2, scheme, network: asset.chain, ...extra })
    }
  }
  return {
    kinds: [...kinds.values()],
    extensions: ['eip2612GasSponsoring'],
    signers: { 'eip155:*': [settler] },
  }
}

/** The specification's name for why not; what is our own trouble and says nothing of the payment is thrown on. */
const nameOf = (error: unknown): string => {
  if (!(error instanceof Refusal) || OURS.has(error.code)) throw error
  const row: Refused = REFUSALS[error.code]
  return NAMES[error.code] ?? row.x402 ?? error.code
}

const OURS: ReadonlySet<Code> = new Set<Code>([
  'chain_unavailable',
  'ledger_unavailable',
  'facilitator_busy',
  'internal',
])
const NAMES: Partial<Record<Code, string>> = {
  payment_already_used: 'invalid_transaction_state',
  settlement_failed: 'invalid_exact_evm_transaction_simulation_failed',
}

const payerOf = (payment: Payment): { payer?: Hex } =>
  'authorization' in payment ? { payer: payment.authorization.from } : {}

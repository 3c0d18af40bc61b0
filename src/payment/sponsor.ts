import { assetKey, type ChainId, chainNumber, type Hex } from '../assets.ts'
import { approveData, permitDigest } from '../chain/approval.ts'
import type { Chain } from '../chain/chain.ts'
import { readApproval, type SignedApproval } from '../chain/raw-approval.ts'
import { curve } from '../chain/signatures.ts'
import { type Settler as Account, signTransaction } from '../chain/transaction.ts'
import { domainSeparator } from '../chain/typed-data.ts'
import type { Clock } from '../clock.ts'
import { fail } from '../errors.ts'
import { randomId } from '../ids.ts'
import type { Call, Sponsored as Stored } from '../ledger/call.ts'
import type { Errand } from '../ledger/errand.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Usd } from '../money.ts'
import type { Till } from '../quote/offers.ts'
import type { Settler } from '../settle/settler.ts'
import { PERMIT2 } from '../wire/contracts.ts'
import {
  type Declaration,
  EIP2612_GAS_SPONSORING,
  ERC20_APPROVAL_GAS_SPONSORING,
} from '../wire/extensions.ts'
import type { Sponsored } from '../wire/payment.ts'
import { invalid, judgeAllowance } from './allowance.ts'
import { usdOfGas } from './gas-policy.ts'
import type { Agreed } from './terms.ts'

/** Allowances for Permit2 that come with a payment, and whose gas we pay. */
export type Sponsor = {
  /** What the 402 declares, as far as the tills can use it. */
  declarations: Record<string, Declaration>
  /** Judges an allowance without asking the chain; undefined when none came, or the payment needs none. */
  judge: (agreed: Agreed, sponsored: Sponsored | undefined) => Promise<Stored | undefined>
  /** Whether a permit is the payer's next: one that was used already does nothing when it is submitted. */
  isLive: (call: Call) => Promise<boolean>
  /** Brings the payer's approval to the chain at our cost; resolves when Permit2 may move `required` units. */
  approve: (call: Call, required: bigint) => Promise<void>
}

export type SponsorLimits = {
  /** Approvals a day and chain: of one payer, and of all together. */
  perPayerPerDay: number
  perDay: number
  /** Most that one may cost, where the coin's price is known. */
  maxUsd: Usd
}

export type SponsorFacts = {
  tills: readonly Till[]
  limits: SponsorLimits
  ledger: Ledger
  account: Account
  chainOf: (chain: ChainId) => Chain
  settlerOf: (chain: ChainId) => Pick<Settler, 'head' | 'nonces'>
  /** What the chain's coin is worth, if anybody said so. */
  nativeUsd: (chain: ChainId) => Usd | undefined
  /** Never pay more per gas than this, wei. */
  maxFee: (chain: ChainId) => bigint
  clock: Clock
  log: Log
}

const DAY_MS = 86_400_000
/** What the official client signs for when it has no estimate, wei per gas. */
const USUAL_FEE = 1_000_000_000n
const SEND_GAS = 21_000n
const WAIT_MS = 30_000
const POLL_MS = 250
const MOST_TRIES = 4

/** Pays for allowances within limits that are counted in the ledger, so that no restart forgets them. */
export const createSponsor = (facts: SponsorFacts): Sponsor => {
  const { ledger, limits, clock, log } = facts
  /** Approvals on their way, by payer and token: calls that come together share one. */
  const running = new Map<string, Promise<void>>()

  const separatorOf = ({ chain, token }: Pick<Call, 'chain' | 'token'>): Uint8Array => {
    const till = facts.tills.find(({ asset }) => asset.chain === chain && asset.address === token)
    if (!till) throw fail('payment_asset_mismatch')
    return domainSeparator(till.asset)
  }

  /** Takes a place among those of a day: in the ledger, before anything is spent. */
  const take = async (call: Call, raw: Hex, name: string, places: number): Promise<boolean> => {
    const day = Math.floor(clock.now() / DAY_MS)
    for (let place = 0; place < places; place++) {
      const claim = `sponsor:${call.chain}:${name}${day}#${place}`
      if ((await ledger.claimant(claim)) !== undefined) continue
      if ((await ledger.post({ type: 'order', errand: errandOf(call, raw, claim, clock.now()) })).ok)
        return true
    }
    return false
  }

  const checkApproval = async (call: Call, approval: SignedApproval): Promise<bigint> => {
    const { from, token, spender, amount, gas, maxFee } = approval
    const chain = facts.chainOf(call.chain)
    const head = facts.settlerOf(call.chain).head()
    if ((await chain.nonce(from)) !== approval.nonce) throw invalid('its nonce is not the next of the payer')
    const needed = await chain.estimate(from, token, approveData(spender, amount))
    if (needed === undefined)
      throw invalid('the token refuses it; an allowance may have to be set to 0 first')
    if (needed > gas) throw invalid(`it needs ${needed} gas and asks for ${gas}`)
    if (maxFee < head.baseFee) throw invalid('its fee is below what blocks ask now')
    const usual = chain.fees(head).maxFee * 2n
    if (maxFee > facts.maxFee(call.chain) || maxFee > (usual > USUAL_FEE ? usual : USUAL_FEE))
      throw invalid('its fee is far above what blocks ask now')
    const cost = gas * maxFee
    const native = facts.nativeUsd(call.chain)
    if (native !== undefined && usdOfGas(cost, native) > limits.maxUsd) throw fail('sponsorship_limit')
    return cost
  }

  /** Sends the payer the coin that its transaction needs. Lost on the way, its nonce is filled like any other. */
  const fund = async (call: Call, wei: bigint): Promise<void> => {
    for (let tries = 1; ; tries++) {
      const why = await sendCoin(call, wei)
      if (why === undefined) return
      log.warn('sponsor_not_funded', { call: call.id, why })
      if (tries === MOST_TRIES) throw fail('chain_unavailable')
      // Its nonce may have been used up meanwhile: the settler finds out when it looks at the chain.
      await clock.sleep(POLL_MS)
    }
  }

  const sendCoin = async (call: Call, wei: bigint): Promise<string | undefined> => {
    const chain = facts.chainOf(call.chain)
    const { nonces, head } = facts.settlerOf(call.chain)
    const nonce = nonces.take()
    const chainId = chainNumber(call.chain)
    const fees = chain.fees(head())
    const unsigned = { chainId, nonce, to: call.payer, data: '0x', gas: SEND_GAS, fees, value: wei } as const
    const { raw } = await signTransaction(facts.account, unsigned)
    const [why] = await chain.send([raw])
    if (why !== undefined) nonces.giveBack(nonce)
    return why
  }

  const until = async (done: () => Promise<boolean>): Promise<void> => {
    for (const end = clock.now() + WAIT_MS; !(await done()); await clock.sleep(POLL_MS))
      if (clock.now() >= end) throw invalid('it is not in a block yet; try again shortly')
  }

  const bring = async (call: Call, raw: Hex, required: bigint): Promise<void> => {
    const approval = await readApproval(raw)
    if (typeof approval === 'string' || approval.amount < required)
      throw fail('insufficient_allowance', { required })
    const cost = await checkApproval(call, approval)
    const mine = await take(call, raw, `${call.payer}:`, limits.perPayerPerDay)
    if (!mine || !(await take(call, raw, '', limits.perDay))) throw fail('sponsorship_limit')
    const chain = facts.chainOf(call.chain)
    const missing = cost - (await chain.gasBalance(call.payer))
    if (missing > 0n) await fund(call, missing)
    await until(async () => (await chain.gasBalance(call.payer)) >= cost)
    const [why] = await chain.send([raw])
    if (why !== undefined) throw invalid('the chain did not take it')
    await until(async () => ((await chain.payer({ ...call, kind: 'permit2' })).allowance ?? 0n) >= required)
    log.info('approval_sponsored', { call: call.id, payer: call.payer, hash: approval.hash })
  }

  return {
    declarations: {
      ...(facts.tills.some((till) => paysByPermit2(till) && till.asset.eip2612) && EIP2612_GAS_SPONSORING),
      ...(limits.perPayerPerDay > 0 && facts.tills.some(paysByPermit2) && ERC20_APPROVAL_GAS_SPONSORING),
    },
    judge: async (agreed, sponsored) => {
      const { authorization } = agreed
      if (!sponsored || authorization.kind === 'eip3009' || authorization.value === 0n) return undefined
      if (sponsored.by === 'approval' && limits.perPayerPerDay === 0) throw fail('sponsorship_limit')
      return judgeAllowance(agreed, sponsored)
    },
    isLive: async (call) => {
      if (call.sponsored?.by !== 'eip2612') return false
      const { permitted, deadline, signature } = call.sponsored
      const nonce = await facts.chainOf(call.chain).permitNonce(call.token, call.payer)
      const permit = { owner: call.payer, spender: PERMIT2, value: permitted, nonce, deadline }
      return (await curve.recover(permitDigest(separatorOf(call), permit), signature)) === call.payer
    },
    approve: async (call, required) => {
      if (call.sponsored?.by !== 'approval') return
      const key = `${assetKey({ chain: call.chain, address: call.token })} ${call.payer}`
      const going = running.get(key)
      const mine = going ?? bring(call, call.sponsored.raw, required).finally(() => running.delete(key))
      running.set(key, mine)
      await mine.catch((error) => {
        log.info('approval_not_sponsored', { call: call.id, why: reasonOf(error) })
        throw error
      })
    },
  }
}

const paysByPermit2 = ({ ways }: Till): boolean => ways.some(({ method }) => method === 'permit2')

const errandOf = (call: Call, raw: Hex, claim: string, at: number): Errand => ({
  is: 'errand',
  id: `sponsor_${randomId()}`,
  chain: call.chain,
  token: call.token,
  decimals: call.decimals,
  payer: call.payer,
  from: call.payer,
  to: PERMIT2,
  claim,
  amount: 0n,
  at,
  validBefore: 0n,
  validAfter: 0n,
  settlement: { at: 'none' },
  task: { kind: 'sponsor', raw },
})

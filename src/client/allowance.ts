import { encodeFunctionData, maxUint256, parseAbi } from 'viem'
import { chainNumber, type Hex } from '../assets.ts'
import { EIP2612_TYPES, PERMIT2 } from '../wire/contracts.ts'
import type { Demand } from './demand.ts'
import type { Offer } from './offer.ts'
import { declarations } from './payment.ts'
import type { ChainReads } from './rpc.ts'
import { signTyped, type Wallet } from './wallet.ts'

/** Whether Permit2 can move `amount`: it may already, or with this extension, or not at all. `unknown` where no chain can be asked. */
export type Allowance =
  | { is: 'enough' | 'unknown' }
  | { is: 'sent'; extension: Record<string, unknown> }
  | { is: 'short'; hint: string }

const APPROVE = parseAbi(['function approve(address spender, uint256 amount) returns (bool)'])
const APPROVE_GAS = 70_000n

/**
 * Looks whether Permit2 may move `amount` of the offer's token for us and, where it may not, signs what the router offers to
 * submit at its own cost: a permit for exactly this amount, which the proxies demand, or else a transaction that approves
 * Permit2 for good (Permit2 itself moves nothing without a signature). Rejects when the wallet does.
 */
export const findAllowance = async (facts: {
  wallet: Wallet
  offer: Offer
  demand: Demand
  amount: bigint
  /** When a permit ends, Unix seconds. */
  deadline: number
  reads: ChainReads | undefined
}): Promise<Allowance> => {
  const { wallet, offer, demand, amount, deadline, reads } = facts
  if (!reads) return { is: 'unknown' }
  const owner = wallet.address.toLowerCase() as Hex
  const allowed = await reads.allowance(offer.asset, owner).catch(() => undefined)
  if (allowed === undefined) return { is: 'unknown' }
  if (allowed >= amount) return { is: 'enough' }
  const declared = declarations(demand.extensions)
  const common = { from: owner, asset: offer.asset, spender: PERMIT2, version: '1' }
  if ('eip2612GasSponsoring' in declared && offer.domain) {
    // A token that does not answer knows no permits.
    const nonce = await reads.permitNonce(offer.asset, owner).catch(() => undefined)
    if (nonce !== undefined) {
      const signature = await signPermit(wallet, offer, { owner, value: amount, nonce, deadline })
      const info = { amount: String(amount), nonce: String(nonce), deadline: String(deadline), signature }
      return { is: 'sent', extension: { eip2612GasSponsoring: { ...common, ...info } } }
    }
  }
  if ('erc20ApprovalGasSponsoring' in declared && wallet.signTransaction) {
    const next = await reads.transaction(owner).catch(() => undefined)
    if (next) {
      const signedTransaction = await wallet.signTransaction({
        type: 'eip1559',
        chainId: chainNumber(offer.chain),
        to: offer.asset,
        data: encodeFunctionData({ abi: APPROVE, functionName: 'approve', args: [PERMIT2, maxUint256] }),
        gas: APPROVE_GAS,
        ...next,
      })
      const info = { amount: String(maxUint256), signedTransaction }
      return { is: 'sent', extension: { erc20ApprovalGasSponsoring: { ...common, ...info } } }
    }
  }
  return {
    is: 'short',
    hint: `Permit2 may move ${allowed} units, ${amount} are needed. ${howToAllow(offer)}`,
  }
}

/** What a payer does whose Permit2 allowance is short. */
export const howToAllow = ({ asset, chain }: Offer): string =>
  `Approve Permit2 (${PERMIT2}) for the token ${asset} on ${chain} once, or give the client an RPC URL for ${chain} in ` +
  '`rpc`, so that it can sign the allowance which the router submits.'

const signPermit = (
  wallet: Wallet,
  { domain, chain, asset }: Offer,
  permit: { owner: Hex; value: bigint; nonce: bigint; deadline: number },
): Promise<Hex> =>
  signTyped(wallet, {
    domain: { ...domain!, chainId: chainNumber(chain), verifyingContract: asset },
    types: EIP2612_TYPES,
    primaryType: 'Permit',
    message: { ...permit, spender: PERMIT2, deadline: BigInt(permit.deadline) },
  })

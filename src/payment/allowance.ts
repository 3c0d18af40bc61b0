import { chainNumber } from '../assets.ts'
import { permitDigest } from '../chain/approval.ts'
import { readApproval } from '../chain/raw-approval.ts'
import { curve } from '../chain/signatures.ts'
import { domainSeparator } from '../chain/typed-data.ts'
import { fail, type Refusal } from '../errors.ts'
import type { Sponsored as Stored } from '../ledger/call.ts'
import { PERMIT2 } from '../wire/contracts.ts'
import type { Sponsored } from '../wire/payment.ts'
import type { Agreed } from './terms.ts'

/** Tether's approve needs about 48,000 and the official client signs for 70,000. */
const MOST_GAS = 120_000n

/** The refusal of an allowance that came with a payment; `problem` ends the sentence. */
export const invalid = (problem: string): Refusal => fail('sponsorship_invalid', { problem })

/** Judges an allowance that came with a payment by Permit2, without asking the chain: whose it is, what for, and how much. */
export const judgeAllowance = async (agreed: Agreed, sponsored: Sponsored): Promise<Stored> => {
  if (sponsored.from !== agreed.authorization.from) throw invalid('it is not from the payer')
  if (sponsored.asset !== agreed.till.asset.address) throw invalid('it is for another token')
  return sponsored.by === 'eip2612' ? judgePermit(agreed, sponsored) : judgeApproval(agreed, sponsored)
}

const judgePermit = async (
  { till, authorization }: Agreed,
  permit: Extract<Sponsored, { by: 'eip2612' }>,
): Promise<Stored> => {
  const { from, value, nonce, deadline, signature } = permit
  if (!till.asset.eip2612) throw invalid('this token takes no permits')
  // The contract that submits both takes no other sum.
  if (value !== authorization.value) throw invalid('its amount is not that of the payment')
  if (deadline < authorization.validBefore) throw invalid('it ends before the payment does')
  const digest = permitDigest(domainSeparator(till.asset), {
    owner: from,
    spender: PERMIT2,
    value,
    nonce,
    deadline,
  })
  if ((await curve.recover(digest, signature)) !== from)
    throw invalid('its signature is not that of the payer')
  return { by: 'eip2612', permitted: value, deadline, signature }
}

const judgeApproval = async (
  { till, authorization }: Agreed,
  { raw }: Extract<Sponsored, { by: 'approval' }>,
): Promise<Stored> => {
  const approval = await readApproval(raw)
  if (typeof approval === 'string') throw invalid(approval)
  const { from, token, spender, amount, chainId, gas } = approval
  if (chainId !== chainNumber(till.asset.chain)) throw invalid('it is for another chain')
  if (from !== authorization.from) throw invalid('it is not signed by the payer')
  if (token !== till.asset.address) throw invalid('it is for another token')
  if (spender !== PERMIT2) throw invalid('it approves somebody else than Permit2')
  if (amount < authorization.value) throw invalid('it approves less than the payment')
  if (gas > MOST_GAS) throw invalid(`it asks for more than ${MOST_GAS} gas`)
  return { by: 'approval', raw }
}

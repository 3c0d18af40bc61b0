import { chainNumber } from '../assets.ts'
import type { Chain, Head } from '../chain/chain.ts'
import { type Settler as Account, type Fees, signTransaction } from '../chain/transaction.ts'
import type { Clock } from '../clock.ts'
import type { Tx } from '../ledger/call.ts'
import type { Payable } from '../ledger/moves.ts'
import { actionOf, senderOf, together } from './action.ts'
import type { Appetite } from './appetite.ts'
import type { Sender } from './batch.ts'
import { capped } from './fees.ts'
import type { Nonces } from './nonces.ts'

/** Signs transactions of the settler; nothing is stored or sent. */
export type Signer = {
  /** What settles these items, with this nonce. Fees are capped. */
  sign: (items: readonly Payable[], nonce: number, fees: Fees) => Promise<Tx>
  /** The same with the next nonce and the fees of the day: say what became of that nonce. */
  signNext: (items: readonly Payable[]) => Promise<Tx>
}

export type SignerFacts = {
  chain: Chain
  account: Account
  clock: Clock
  nonces: Nonces
  appetite: Appetite
  head: () => Head
  /** Never pay more per gas than this, wei. */
  maxFee: bigint
  /** The settler's account can send many items as itself. */
  delegated: () => boolean
}

export const createSigner = (facts: SignerFacts): Signer => {
  const { chain, account, clock, nonces, appetite, head } = facts

  const sign: Signer['sign'] = async (items, nonce, wanted) => {
    const fees = capped(wanted, facts.maxFee)
    const settler = account.address
    // By its own account, no item can use up the gas of the others.
    const via: Sender =
      facts.delegated() || items.some((item) => senderOf(item) === 'settler') ? 'settler' : 'anyone'
    const [first] = items
    const action =
      items.length === 1 && first
        ? actionOf(first, settler)
        : together(items, { via, settler, allow: appetite.allow })
    const unsigned = { chainId: chainNumber(chain.id), nonce, ...action, fees }
    const { raw, hash } = await signTransaction(account, unsigned)
    const ids = items.map((item) => item.id)
    return { hash, chain: chain.id, settler, nonce, raw, ...fees, items: ids, at: clock.now() }
  }

  return {
    sign,
    signNext: async (items) => {
      const nonce = nonces.take()
      try {
        return await sign(items, nonce, chain.fees(head()))
      } catch (error) {
        nonces.giveBack(nonce)
        throw error
      }
    },
  }
}

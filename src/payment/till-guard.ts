import type { ChainId } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Move } from '../ledger/moves.ts'
import { payableOf } from '../ledger/payable.ts'
import type { Log } from '../log.ts'
import type { Till } from '../quote/offers.ts'

/** What a loss is called when a transaction succeeded and the money did not come as signed: a fee, or worse. */
export const DEVIATED = 'the token reported success and moved something else'

/**
 * The same ledger, which also watches what is lost: a token that moved another sum than was signed, or that can no
 * longer be moved at all, is taken out of `tills` until the next start, so that nobody is served for it.
 */
export const guardTills = (facts: {
  tills: Till[]
  ledger: Ledger
  chains: ReadonlyMap<ChainId, Pick<Chain, 'checkAsset'>>
  log: Log
}): Ledger => {
  const { tills, ledger, chains, log } = facts

  const disable = (till: Till, why: string): void => {
    const at = tills.indexOf(till)
    if (at === -1) return
    tills.splice(at, 1)
    const { chain, symbol, address } = till.asset
    log.error('asset_disabled', { chain, symbol, address, why })
  }

  const suspect = async ({ id, why }: Extract<Move, { type: 'lose' }>): Promise<void> => {
    const item = await payableOf(ledger, id)
    const till = tills.find(({ asset }) => asset.chain === item?.chain && asset.address === item.token)
    if (!till) return
    const wrong = await chains.get(till.asset.chain)?.checkAsset(till.asset)
    if (wrong !== undefined) disable(till, wrong)
    else if (why === DEVIATED) disable(till, why)
  }

  return {
    ...ledger,
    post: async (move) => {
      const posted = await ledger.post(move)
      if (move.type === 'lose' && posted.ok)
        await suspect(move).catch(() => log.warn('asset_not_checked', { item: move.id }))
      return posted
    },
  }
}

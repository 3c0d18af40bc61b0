import type { ChainId, Hex } from '../assets.ts'
import type { Chain } from '../chain/chain.ts'
import { toHex } from '../chain/signatures.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import type { Till } from '../quote/offers.ts'
import type { Settler } from '../settle/settler.ts'
import { type Channels, createChannels } from './channels.ts'
import type { ClaimPolicy } from './claims.ts'
import { createDeposits, type DepositFacts, type Deposits } from './deposit.ts'
import { createKeeper, type Keeper } from './keeper.ts'
import { createTurns, type Turns } from './turns.ts'

/** All that payment channels need, made together: they share whose turn it is and what the chain said. */
export type ChannelDesk = { channels: Channels; turns: Turns; deposits: Deposits; keeper: Keeper }

export const createChannelDesk = (facts: {
  ledger: Ledger
  tills: readonly Till[]
  chains: ReadonlyMap<ChainId, Chain>
  settlers: ReadonlyMap<ChainId, Settler>
  confirmations: ReadonlyMap<ChainId, number>
  settler: Hex
  /** Contracts are taken as payers. */
  contracts: boolean
  policy: ClaimPolicy
  withdrawDelayMs: number
  clock: Clock
  log: Log
  probe: (point: string) => void
}): ChannelDesk => {
  const { chains, settlers, confirmations, contracts } = facts
  const chainOf = (id: ChainId) => chains.get(id)!
  const settlerOf = (id: ChainId) => settlers.get(id)!
  const askContract: DepositFacts['askContract'] = contracts
    ? (id, payer, digest, signature) => chainOf(id).isSignedBy(payer, toHex(digest), signature)
    : undefined
  const turns = createTurns()
  const channels = createChannels({
    ...facts,
    chainOf,
    settlerOf,
    confirmationsOf: (id) => confirmations.get(id)!,
  })
  const deposits = createDeposits({ ...facts, chainOf, askContract })
  const keeper = createKeeper({ ...facts, chainOf, settlerOf, turns, channels })
  return { turns, channels, deposits, keeper }
}

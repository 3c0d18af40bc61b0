import { createSignIn } from '../accounts/sign-in.ts'
import type { ChainId, Hex } from '../assets.ts'
import type { Deps } from '../call/deps.ts'
import { createRefunds } from '../call/refund.ts'
import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Log } from '../log.ts'
import { createNotary } from '../payment/notary.ts'
import { createPayouts } from '../payment/payout.ts'
import type { Till } from '../quote/offers.ts'
import type { Settler } from '../settle/settler.ts'
import type { Fleet } from './fleet.ts'

type Facts = {
  ledger: Ledger
  clock: Clock
  log: Log
  account: { key: Uint8Array; address: Hex }
  chains: ReadonlyMap<ChainId, Chain>
  tills: readonly Till[]
  settlers: ReadonlyMap<ChainId, Settler>
  publicUrl: string
  fleet: Fleet
  /** When an earlier process last ended in order, ms. */
  closed: number
}

/** What payers can do with their credit (its rules are read from `config` each time, since they can change), how charges go back to them, and who signs for what was offered and paid. */
export const openAccounts = (
  config: Config,
  facts: Facts,
): Pick<Deps, 'signIn' | 'payouts' | 'refunds' | 'notary'> => {
  const { ledger, clock, log, account, chains, tills, settlers, publicUrl, closed, fleet } = facts
  return {
    signIn: createSignIn({
      get secrets() {
        return config.secrets.quoteSecrets
      },
      publicUrl,
      chains: [...new Set(tills.map(({ asset }) => asset.chain))],
      clock,
      tally: fleet.tally,
    }),
    payouts: createPayouts({
      ledger,
      tills,
      chainOf: (id) => chains.get(id)!,
      settlerOf: (id) => settlers.get(id)!,
      settler: account.address,
      clock,
      log,
      get above() {
        return config.payouts.above
      },
      get least() {
        return config.payouts.least
      },
    }),
    refunds: createRefunds({
      ledger,
      clock,
      log,
      get policy() {
        return config.refunds.lost
      },
      get perDay() {
        return config.refunds.perPayerPerDay
      },
      started: clock.now(),
      closed,
      tally: fleet.tally,
      ...(fleet.store && { died: fleet.alive.died }),
    }),
    notary: config.quote.signOffers
      ? createNotary({ account, resource: `${publicUrl}/v1/chat/completions`, clock })
      : undefined,
  }
}

/** The bookmark beside the journal that says when a process last ended in order. */
const CLOSED = 'closed'

/** ms; 0 when none ever did. */
export const lastClosed = async (ledger: Ledger): Promise<number> =>
  Number((await ledger.cursor(CLOSED)) ?? 0n)

/** To be called when every answer was delivered or its loss noticed. A ledger that cannot be written keeps the older mark: then more is given back, never less. */
export const markClosed = (ledger: Ledger, clock: Clock): Promise<void> =>
  ledger.moveCursor(CLOSED, BigInt(clock.now())).catch(() => {})

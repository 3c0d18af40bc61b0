import { restore } from '../ledger/archive.ts'
import type { Ledger } from '../ledger/ledger.ts'

export type LedgerRestoreFacts = {
  ledger: Ledger
  /** Opens a store by its address. */
  open: (store: string) => Promise<Ledger>
  /** The file of the archive. */
  from: string
  out: (line: string) => void
}

const TOLD_EVERY = 20_000

/** `farebox ledger restore`: fills an empty store from an archive, and raises the epoch so that older quotes are refused. */
export const ledgerRestore = async ({ ledger, open, from, out }: LedgerRestoreFacts): Promise<number> => {
  const archive = await open(`sqlite:${from}`)
  try {
    let told = 0
    const moves = await restore(archive, ledger, (done) => {
      if (done - told < TOLD_EVERY) return
      told = done
      out(`${done} moves…`)
    })
    const epoch = await ledger.raiseEpoch(Math.floor(Date.now() / 1000))
    out(`${moves} moves restored; quotes made before now are refused (epoch ${epoch}).`)
    out('Now compare with the chain: farebox reconcile --repair, before the first instance is started.')
    return 0
  } finally {
    await archive.close()
  }
}

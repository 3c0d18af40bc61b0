import { setTimeout as sleep } from 'node:timers/promises'
import { completeAsset } from '../../src/assets/complete.ts'
import type { ChainId, Hex } from '../../src/assets.ts'
import { createChain } from '../../src/chain/chain.ts'
import { printReport } from '../../src/cli/reconcile.ts'
import { systemClock } from '../../src/clock.ts'
import { isServing, isSettling } from '../../src/ledger/call.ts'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { idsOf, type Move } from '../../src/ledger/moves.ts'
import { openLedger } from '../../src/main/fleet.ts'
import { reconcile } from '../../src/reconcile/reconcile.ts'
import { CHAIN_ID, PAY_TO } from '../support/world.ts'
import type { FleetSite } from './site.ts'

/** What the ledger of a fleet says of itself at the end of a run, and against the chain. */
export type Audit = {
  open: string[]
  violations: string[]
  /** What was written of each subject that does not stand as it should, in order. */
  histories: string[]
  agrees: boolean
  report: string[]
}

const id = `eip155:${CHAIN_ID}` as ChainId

/** Opens the ledger of a fleet beside it, for as long as `work` takes. */
export const withLedger = async <T>(store: string, work: (ledger: Ledger) => Promise<T>): Promise<T> => {
  const ledger = await openLedger(store, systemClock)
  try {
    return await work(ledger)
  } finally {
    await ledger.close()
  }
}

/** What is still under way in a ledger. */
const openIn = async (ledger: Ledger): Promise<string[]> => [
  ...(await ledger.open())
    .filter((one) => isServing(one) || isSettling(one))
    .map((one) => `${one.kind} ${one.id} by ${one.by}: ${one.service.at}, ${one.settlement.at}`),
  ...(await ledger.openErrands())
    .filter(isSettling)
    .map((one) => `${one.task.kind} ${one.id}: ${one.settlement.at}`),
]

/** Waits until nothing is under way any more, at most `ms`; returns what still is. */
export const atRest = (store: string, ms: number): Promise<string[]> =>
  withLedger(store, async (ledger) => {
    const end = Date.now() + ms
    for (;;) {
      const open = await openIn(ledger)
      if (open.length === 0 || Date.now() > end) return open
      await sleep(300)
    }
  })

/** Lets the ledger judge itself, and compares it with the chain row by row. */
export const audit = (
  site: Pick<FleetSite, 'store' | 'net' | 'token' | 'settler' | 'since'>,
): Promise<Audit> =>
  withLedger(site.store(), async (ledger) => {
    const violations = await checkInvariants(ledger, { now: Date.now() })
    const chain = createChain(id, [site.net.url])
    try {
      const token = completeAsset(id, {
        symbol: 'USDC',
        address: site.token,
        decimals: 6,
        name: 'USD Coin',
        version: '2',
        methods: ['eip3009', 'permit2'],
      } as Parameters<typeof completeAsset>[1])
      if (typeof token === 'string') throw new Error(token)
      const tills = [{ asset: token, payTo: PAY_TO as Hex }]
      const from = BigInt(site.since + 1)
      const settler = site.settler.toLowerCase() as Hex
      const report = await reconcile({ ledger, chain, tills, settler, from })
      return {
        open: await openIn(ledger),
        violations: violations.map((one) => `${one.invariant}: ${one.subject} ${one.detail}`),
        histories: await historiesOf(
          ledger,
          violations.map((one) => one.subject),
        ),
        agrees: report.agrees,
        report: printReport(report),
      }
    } finally {
      await chain.close()
    }
  })

const historiesOf = async (ledger: Ledger, subjects: readonly string[]): Promise<string[]> => {
  const wanted = new Set(subjects)
  if (wanted.size === 0) return []
  const told: string[] = []
  for (let seq = 0; ; ) {
    const lines = await ledger.journal(seq, 500)
    for (const line of lines)
      for (const id of idsOf(line.move))
        if (wanted.has(id))
          told.push(`${id} #${line.seq} ${new Date(line.at).toISOString()} ${wordsOf(line.move)}`)
    if (lines.length < 500) return told.toSorted()
    seq = lines.at(-1)!.seq
  }
}

const wordsOf = (move: Move): string => {
  const by =
    move.type === 'claim' ? ` by ${move.call.by}${move.call.settleFirst ? ', settles first' : ''}` : ''
  const why = 'why' in move ? `: ${move.why}` : ''
  const due = 'due' in move && move.due ? ', due' : ''
  return `${move.type}${why}${by}${due}${'tx' in move && move.tx ? `, nonce ${move.tx.nonce}` : ''}`
}

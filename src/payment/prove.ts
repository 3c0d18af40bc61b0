import type { Chain, Head, Inclusion } from '../chain/chain.ts'
import type { Call, Proof, Tx } from '../ledger/call.ts'
import { judge } from './proof.ts'

/** A call whose payment is being moved: its newest transaction, and all that were ever stored for it. */
export type Job = { call: Call; tx: Tx; txs: readonly Tx[]; sentAt: number }

export type Finding =
  | { kind: 'paid'; proof: Proof }
  | { kind: 'lost'; why: string; gas: bigint }
  /** Our transaction was displaced and the authorization is still good: sign another. */
  | { kind: 'again' }

/** How far back somebody else's submission of our authorization is looked for. */
const LOOK_BACK = 5_000n
const PATIENCE_MS = 30_000

/**
 * Finds out what became of jobs whose nonce has passed. A finding of undefined means "not known yet, look again".
 * If somebody else submitted the authorization, their log is found and counts as paid.
 */
export const prove = async (chain: Chain, head: Head, jobs: readonly Job[]): Promise<(Finding | undefined)[]> => {
  const hashes = jobs.flatMap((job) => job.txs.map((tx) => tx.hash))
  const found = new Map<string, Inclusion>()
  for (const inclusion of await chain.inclusions(hashes)) if (inclusion) found.set(inclusion.hash, inclusion)
  return Promise.all(
    jobs.map((job) => {
      const mine = job.txs.map((tx) => found.get(tx.hash)).find((one) => one !== undefined)
      return mine ? ofOurs(chain, head, job, mine) : ofOthers(chain, head, job)
    }),
  )
}

const ofOurs = async (chain: Chain, head: Head, { call }: Job, inclusion: Inclusion): Promise<Finding | undefined> => {
  const verdict = judge(call, inclusion, inclusion.gas)
  if (verdict.paid) return { kind: 'paid', proof: verdict.proof }
  if (inclusion.ok) return { kind: 'lost', why: 'the token reported success and moved something else', gas: inclusion.gas }
  const other = await elsewhere(chain, head, call, inclusion.gas)
  return other ?? { kind: 'lost', why: 'the transfer reverted', gas: inclusion.gas }
}

// None of our transactions is in a block although their nonce has passed: a replacement we forgot, or a lagging node.
const ofOthers = async (chain: Chain, head: Head, { call, tx }: Job): Promise<Finding | undefined> => {
  const other = await elsewhere(chain, head, call, 0n)
  if (other) return other
  if (BigInt(head.timestamp) >= call.validBefore) return { kind: 'lost', why: 'the authorization expired', gas: 0n }
  const { used } = await chain.payer(call.token, call.payer, call.nonce)
  if (!used) return { kind: 'again' }
  // Used, and no log of it pays us: cancelled, or spent elsewhere. A lagging node gets half a minute to show the log.
  const lagging = head.timestamp * 1000 - tx.at < PATIENCE_MS
  return lagging ? undefined : { kind: 'lost', why: 'the authorization was cancelled or spent elsewhere', gas: 0n }
}

const elsewhere = async (chain: Chain, head: Head, call: Call, gas: bigint): Promise<Finding | undefined> => {
  const from = head.number > LOOK_BACK ? head.number - LOOK_BACK : 0n
  const hash = await chain.usedIn(call.token, call.payer, call.nonce, from, head.number)
  if (hash === undefined) return undefined
  const [inclusion] = await chain.inclusions([hash])
  const verdict = inclusion ? judge(call, inclusion, gas) : undefined
  return verdict?.paid ? { kind: 'paid', proof: verdict.proof } : undefined
}

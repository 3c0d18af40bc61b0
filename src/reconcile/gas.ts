import type { Hex } from '../assets.ts'
import type { Inclusion } from '../chain/chain.ts'
import { isSettling, type Tx } from '../ledger/call.ts'
import type { Errand } from '../ledger/errand.ts'
import { ACCOUNT } from '../ledger/moves.ts'
import { payableOf } from '../ledger/payable.ts'
import type { Span, View } from './compare.ts'
import { type BookFacts, orderSeen } from './seen.ts'

/** A transaction of the settler that the ledger did not store: a filled gap, a delegation, or work of a lost ledger. */
export type Stranger = { nonce: number; inclusion: Inclusion }

/** Gas that the settler paid, in wei, as strings. */
export type GasReport = {
  agrees: boolean
  /** Spent, as the ledger's account of it stands. */
  ledger: string
  /** Spent by the transactions that the ledger stored, by their receipts. */
  receipts: string
  /** The part of the receipts that belongs to what is not proven yet: it may be booked or not. */
  open: string
  transactions: number
  /** Transactions in the range that the ledger did not store; `booked`: their gas is in its account. */
  unknown: { nonce: number; hash: Hex; gas: string; booked: boolean }[]
  /** Nonces in the range that no transaction was found for. */
  unseen: number
}

const PAGE = 200
/** Transactions that the ledger did not store, and that are looked for one by one. */
const MOST_UNKNOWN = 500

/** What the settler paid for gas, by the books and by the receipts of every transaction that it sent. */
export const reportGas = async (view: View, settler: Hex, span: Span): Promise<GasReport> => {
  const { ledger, chain } = view
  const spent = () => ledger.balance(`${chain.id}/native`, ACCOUNT.settlerGas)
  const before = await spent()
  const sums = { receipts: 0n, open: 0n, transactions: 0 }
  for await (const { tx, inclusion } of stored(view, settler, 0)) {
    if (!inclusion) continue
    sums.transactions++
    sums.receipts += inclusion.gas
    if (await isOpen(view, tx)) sums.open += inclusion.gas
  }
  const { found, unseen, complete } = await strangers(view, settler, span)
  const unknown: GasReport['unknown'] = []
  for (const { nonce, inclusion } of found) {
    const errand = await ledger.errand(gasKey(chain.id, inclusion.hash))
    const booked = errand?.settlement.at === 'settled'
    unknown.push({ nonce, hash: inclusion.hash, gas: inclusion.gas.toString(), booked })
  }
  const booked = await spent()
  const strange = unknown.reduce((sum, one) => (one.booked ? sum + BigInt(one.gas) : sum), 0n)
  const most = sums.receipts + strange
  const fits = booked >= most - sums.open && (booked <= most || !complete)
  return {
    // What was booked meanwhile is a matter of the next look.
    agrees: booked !== before || fits,
    ledger: booked.toString(),
    receipts: sums.receipts.toString(),
    open: sums.open.toString(),
    transactions: sums.transactions,
    unknown,
    unseen,
  }
}

type Sent = { tx: Tx; inclusion: Inclusion | undefined }

/** Stored transactions from a nonce on, with their receipts; of several with one nonce, one at most has one. */
async function* stored({ ledger, chain }: View, settler: Hex, from: number): AsyncGenerator<Sent> {
  for (let next = from; ; ) {
    const page = await ledger.sent(chain.id, settler, next, PAGE)
    const last = page.at(-1)?.nonce
    // A page ends between two nonces, unless it is all one nonce.
    const cut = page.length < PAGE || page[0]?.nonce === last ? page : page.filter((tx) => tx.nonce !== last)
    const inclusions = await chain.inclusions(cut.map((tx) => tx.hash))
    for (const [i, tx] of cut.entries()) yield { tx, inclusion: inclusions[i] }
    if (page.length < PAGE || last === undefined) return
    next = cut.at(-1)!.nonce + 1
  }
}

const isOpen = async ({ ledger }: View, { items }: Tx): Promise<boolean> => {
  for (const id of items) {
    const item = await payableOf(ledger, id)
    if (item && isSettling(item)) return true
  }
  return false
}

/**
 * Transactions in a range of blocks that used a nonce of the settler and are not stored, found by the account's nonce in
 * old blocks; none where the node keeps no old states.
 */
export const strangers = async (
  view: View,
  settler: Hex,
  { from, to }: Span,
): Promise<{ found: Stranger[]; unseen: number; complete: boolean }> => {
  const { history, inclusions } = view.chain
  const nonces = await Promise.all([
    from === 0n ? 0 : history.nonceAt(settler, from - 1n),
    history.nonceAt(settler, to),
  ]).catch(() => undefined)
  if (!nonces) return { found: [], unseen: 0, complete: false }
  const [first, last] = nonces
  const seen = new Set<number>()
  if (first < last) {
    for await (const { tx, inclusion } of stored(view, settler, first)) {
      if (tx.nonce >= last) break
      if (inclusion) seen.add(tx.nonce)
    }
  }
  const found: Stranger[] = []
  let unseen = 0
  for (let nonce = first; nonce < last; nonce++) {
    if (seen.has(nonce)) continue
    const tx = found.length < MOST_UNKNOWN ? await history.sentBy(settler, nonce, from, to) : undefined
    const [inclusion] = tx ? await inclusions([tx.hash]) : []
    if (inclusion) found.push({ nonce, inclusion })
    else unseen++
  }
  return { found, unseen, complete: unseen === 0 }
}

/** How the errand is named that books the gas of a transaction which the ledger did not store. */
const gasKey = (chain: string, hash: Hex): string => `seen:${chain}:${hash}:gas`

/** Books the gas of such a transaction, once. Returns whether that was news. */
export const bookGas = async (facts: BookFacts, settler: Hex, { inclusion }: Stranger): Promise<boolean> => {
  const { chain, clock, book } = facts
  const { hash, block, blockHash, gas } = inclusion
  const [canonical] = await chain.blockHashes([block])
  if (canonical !== blockHash) return false
  const id = gasKey(chain.id, hash)
  const errand: Errand = {
    is: 'errand',
    id,
    chain: chain.id,
    token: book.asset.address,
    decimals: book.asset.decimals,
    payer: settler,
    from: settler,
    to: settler,
    claim: id,
    amount: 0n,
    at: clock.now(),
    validBefore: 0n,
    validAfter: 0n,
    settlement: { at: 'settled', proof: { hash, block, blockHash, logIndex: -1, gas } },
    task: { kind: 'observed', what: 'outflow' },
  }
  return orderSeen(facts, errand, id)
}

/** Calls as people look at them: what they were, never what was said in them. */
import type { NodeId } from '../accounts/node.ts'
import { type Asset, assetKey, toUsd } from '../assets.ts'
import { fail } from '../errors.ts'
import { billOf, type Call, stateOf } from '../ledger/call.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { printUsd } from '../money.ts'
import { type Cursors, isCursor } from './cursor.ts'
import type { Scene } from './desk.ts'
import { namesOf } from './list.ts'

/** Calls that are looked through for those of one node; then the rest is asked for with `next`. */
const MOST_SCANNED = 5_000

/** The newest calls of a node, and from where to go on. */
export const callsOf = async (
  facts: { ledger: Pick<Ledger, 'recent'>; assets: () => readonly Asset[]; cursors?: Cursors },
  { path, records }: Pick<Scene, 'path' | 'records'>,
  asked: {
    at: NodeId
    before?: string | undefined
    limit: number
    state?: string | undefined
    model?: string | undefined
  },
) => {
  const { ledger, assets, cursors } = facts
  const { at, limit, state, model } = asked
  const symbols = new Map(assets().map((one) => [assetKey(one), one.symbol]))
  const calls: ReturnType<typeof callView>[] = []
  let before = asked.before
  if (before !== undefined && isCursor(before)) before = opened(cursors, before)
  let last: Call | undefined
  let more = true
  for (let scanned = 0; more && calls.length < limit && scanned < MOST_SCANNED; ) {
    const page = await ledger.recent({ limit: 200, ...(before !== undefined && { before }) })
    more = page.length === 200
    for (const call of page) {
      if (calls.length === limit) {
        more = true
        break
      }
      before = call.id
      last = call
      scanned++
      const view = callView(call, symbols)
      if (
        isSeen(call, at, path) &&
        (!state || view.state === state) &&
        (!model || view.model === model || view.asked === model)
      )
        calls.push(view)
    }
  }
  const called = calls.flatMap(({ account }) => [account[0] ?? [], account.at(-1) ?? []].flat())
  const names = Object.fromEntries(await namesOf({ records }, called))
  if (!more || before === undefined) return { calls, names }
  // The id of a call opens its receipt: of others it is not told, not even as a place to go on from.
  const next = last && !isSeen(last, at, path) ? cursors?.seal(before) : before
  return { calls, names, ...(next !== undefined && { next }) }
}

const isSeen = ({ account }: Call, at: NodeId, path: readonly NodeId[]): boolean =>
  path.length === 0 || account?.includes(at) === true

const opened = (cursors: Cursors | undefined, cursor: string): string => {
  const id = cursors?.open(cursor)
  if (id === undefined)
    throw fail('invalid_request', { problem: 'before: no list goes on there', param: 'before' })
  return id
}

const callView = (call: Call, symbols: ReadonlyMap<string, string>) => {
  const bill = billOf(call)
  const usd = (units: bigint) => printUsd(toUsd(units, call.decimals))
  return {
    id: call.id,
    time: call.at,
    state: stateOf(call),
    account: call.account ?? [],
    payer: call.payer,
    asked: call.asked,
    stream: call.stream,
    kind: call.kind,
    chain: call.chain,
    symbol: symbols.get(assetKey({ chain: call.chain, address: call.token })) ?? call.token,
    ceiling: usd(call.ceiling),
    ...(call.why !== undefined && { why: call.why }),
    ...(call.tags && { tags: call.tags }),
    ...('why' in call.service && { failed: call.service.why }),
    ...(bill && {
      model: bill.model,
      provider: bill.provider,
      input: bill.usage.input,
      cached: bill.usage.cached,
      output: bill.usage.output,
      charged: usd(bill.charged),
      ...(bill.refunded !== undefined && { refunded: usd(bill.refunded) }),
      ms: bill.ms ?? bill.at - call.at,
      ...(bill.firstMs !== undefined && { firstMs: bill.firstMs }),
    }),
  }
}

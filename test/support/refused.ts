import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import type { World } from './world.ts'

export type Told = { says: string; hint: string; code: string }

/** A refusal as its reader sees it; `says` is such as `400 unknown_field [audio] Unknown parameter: audio.` */
export const told = async (response: Response): Promise<Told> => {
  const { error } = (await response.json()) as { error: Record<string, string | null> }
  const { code, param, message, hint } = error
  // Only an answer that cannot have cost anything may be repeated by an SDK of its own accord.
  expect(response.headers.get('x-should-retry')).toBe('false')
  expect(response.headers.get('cache-control')).toContain('no-store')
  expect(response.headers.get('payment-response')).toBeNull()
  const at = param === null ? '' : ` [${param}]`
  return { says: `${response.status} ${code}${at} ${message}`, hint: String(hint), code: String(code) }
}

/** What `costingNothing` looks at; a world is one. */
export type Watched = Pick<World, 'farebox' | 'rpc' | 'settle'> & {
  upstream: { readonly seen: readonly unknown[] }
}

type Books = {
  balances: Record<string, bigint>
  counters: Record<string, bigint>
  open: number
  transactions: number
  seen: number
}

const nonZero = (rows: readonly (readonly [string, bigint])[]): Record<string, bigint> =>
  Object.fromEntries(rows.filter(([, value]) => value !== 0n).toSorted())

/** Everything that a charge would leave a trace in: the books, the settler's transactions, the provider. */
const booksOf = async ({ farebox, rpc, upstream }: Watched): Promise<Books> => {
  const { ledger, account } = farebox.deps
  return {
    balances: nonZero((await ledger.balances()).map((row) => [`${row.asset} ${row.account}`, row.value])),
    counters: nonZero(Object.entries(await ledger.counters())),
    open: (await ledger.open()).length,
    transactions: Number(await rpc('eth_getTransactionCount', [account.address, 'pending'])),
    seen: upstream.seen.length,
  }
}

/** Does something that must cost nobody anything: no balance, limit or transaction changes, and no provider is asked (unless `asks` says how often). */
export const costingNothing = async <T>(world: Watched, act: () => Promise<T>, asks = 0): Promise<T> => {
  await world.settle()
  const before = await booksOf(world)
  const result = await act()
  const after = await booksOf(world)
  const wanted = { ...before, seen: before.seen + asks }
  if (isDeepStrictEqual(after, wanted) || !isDeepStrictEqual(withoutGas(after), withoutGas(wanted))) {
    expect(after).toEqual(wanted)
    return result
  }
  // Gas of an earlier test may have been booked meanwhile, by the look at the chain in the background: once more.
  const again = await booksOf(world)
  await act()
  expect(await booksOf(world)).toEqual({ ...again, seen: again.seen + asks })
  return result
}

const withoutGas = <B extends { balances: object }>(books: B): B => ({
  ...books,
  balances: Object.fromEntries(Object.entries(books.balances).filter(([name]) => !name.includes('/native '))),
})

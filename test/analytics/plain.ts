import { ROLLUPS, WAITING } from '../../src/analytics/fold.ts'
import { type Packed, type Sums, unpacked } from '../../src/analytics/sums.ts'
import { toUsd } from '../../src/assets.ts'
import { billOf, type Call, fromSigned, isServing } from '../../src/ledger/call.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { idsOf } from '../../src/ledger/moves.ts'
import type { Records } from '../../src/store/records.ts'

/** Sums by `scope/grain/dim/bucket/value`, values as they are; money as text. */
export type Table = Record<string, Record<string, string | number>>

/** What the rollups should say: a plain sum over all calls as they stand, told by nothing of ours but the call. */
export const plainly = async (ledger: Ledger): Promise<Table> => {
  const gas = await gasBySubject(ledger)
  const table: Table = {}
  const add = (name: string, facts: Record<string, string | number | bigint>) => {
    table[name] ??= {}
    const row = table[name]
    for (const [key, value] of Object.entries(facts)) {
      if (typeof value === 'bigint') row[key] = (BigInt(row[key] ?? 0) + value).toString()
      else row[key] = Number(row[key] ?? 0) + Number(value)
    }
  }
  for (const call of await ledger.calls(undefined, 1_000_000)) {
    if (isServing(call)) continue
    const facts = factsOf(call, gas.get(call.id)?.wei ?? 0n)
    for (const name of namesOf(call)) add(name, facts)
  }
  for (const [id, { wei, at, chain }] of gas) {
    if (id.startsWith('call_') || wei === 0n) continue
    const time = new Date(at).toISOString()
    for (const name of [
      `d/total/${time.slice(0, 10)}/-`,
      `h/total/${time.slice(0, 13)}/-`,
      `d/chain/${time.slice(0, 10)}/${chain}`,
    ])
      add(`site/${name}`, { gas: wei })
  }
  return cleaned(table)
}

/** What they say. */
export const rolled = async (records: Records): Promise<Table> => {
  const table: Table = {}
  for (const { id, value } of await records.list<Packed>(ROLLUPS, { limit: 1_000_000 })) {
    const sums = unpacked(value)
    const parts = id.split('/')
    const last = value.about ?? decodeURIComponent(parts[4]!)
    const { gas, first, whole, ...rest } = sums
    const wei = Object.values(gas).reduce((sum, one) => sum + one, 0n)
    table[[...parts.slice(0, 4), last].join('/')] = Object.fromEntries(
      Object.entries({
        ...rest,
        gas: wei,
        timed: TIMED.has(parts[2]!) ? count(whole) : 0,
        firsts: TIMED.has(parts[2]!) ? count(first) : 0,
      }).map(([k, v]) => [k, typeof v === 'bigint' ? v.toString() : v]),
    )
  }
  return cleaned(table)
}

/** What waits for a call to end. */
export const waiting = (records: Records) => records.list<Packed>(WAITING, { limit: 10_000 })

const PAID = new Set(['total', 'chain', 'child'])
const TIMED = new Set(['total', 'model', 'host', 'strategy'])
const count = (histogram: Sums['whole']) => Object.values(histogram).reduce((sum, one) => sum + one, 0)

const cleaned = (table: Table): Table =>
  Object.fromEntries(
    Object.entries(table)
      .map(([name, row]) => {
        const dim = name.split('/')[2]!
        const timed = TIMED.has(dim)
        const left = new Set([
          ...(timed ? [] : ['timed', 'firsts']),
          ...(PAID.has(dim) ? [] : ['gas', 'unpaid']),
        ])
        const kept = Object.entries(row).filter(
          ([key, value]) => value !== 0 && value !== '0' && !left.has(key),
        )
        return [name, Object.fromEntries(kept.toSorted())] as const
      })
      .filter(([, row]) => Object.keys(row).length > 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )

const factsOf = (call: Call, gas: bigint) => {
  const bill = billOf(call)
  const usd = (units: bigint) => toUsd(units, call.decimals) as bigint
  const is = (at: string) => (call.service.at === at ? 1 : 0)
  const charged = usd(bill?.charged ?? 0n)
  const owed = call.settlement.at === 'lost' && bill?.refunded === undefined
  return {
    calls: 1,
    served: is('served'),
    partial: is('partial'),
    failed: is('released') + is('rejected'),
    uncosted: bill && bill.cost === undefined ? 1 : 0,
    charged,
    refunded: usd(bill?.refunded ?? 0n),
    unpaid: owed ? usd(fromSigned(call, bill?.charged ?? 0n)) : 0n,
    cost: (bill?.cost ?? 0n) as bigint,
    flagship: bill ? ((bill.flagship ?? charged) as bigint) : 0n,
    input: bill?.usage.input ?? 0,
    cached: bill?.usage.cached ?? 0,
    output: bill?.usage.output ?? 0,
    gas,
    timed: bill?.ms === undefined ? 0 : 1,
    firsts: bill?.firstMs === undefined ? 0 : 1,
  }
}

const namesOf = (call: Call): string[] => {
  const time = new Date(call.at).toISOString()
  const [day, hour] = [time.slice(0, 10), time.slice(0, 13)]
  const bill = billOf(call)
  const path = ['site', ...(call.account ?? [])]
  return path.flatMap((scope, i) => {
    const child = path[i + 1] ?? (i === 0 ? '-' : undefined)
    const key = path.slice(i + 1).find((id) => id.startsWith('key_'))
    const most = [
      `${scope}/d/total/${day}/-`,
      `${scope}/h/total/${hour}/-`,
      `${scope}/d/model/${day}/${bill?.model ?? '-'}`,
      ...(child ? [`${scope}/d/child/${day}/${child}`] : []),
    ]
    if (scope.startsWith('user_') || scope.startsWith('key_')) return most
    return [
      ...most,
      `${scope}/d/host/${day}/${bill?.provider ?? '-'}`,
      `${scope}/d/chain/${day}/${call.chain}`,
      `${scope}/d/strategy/${day}/${call.why?.split(' ')[0] ?? '-'}`,
      `${scope}/d/outcome/${day}/${call.service.at}`,
      ...(key ? [`${scope}/d/key/${day}/${key}`] : []),
      ...Object.entries(call.tags ?? {}).map(([name, value]) => `${scope}/d/tag/${day}/${name}=${value}`),
    ]
  })
}

/** Wei that the journal booked as spent for each call or errand, and when it was first booked. */
const gasBySubject = async (ledger: Ledger) => {
  const gas = new Map<string, { wei: bigint; at: number; chain: string }>()
  for (const { move, postings, at } of await ledger.journal(0, 1_000_000))
    for (const { asset, debit, credit, amount } of postings) {
      if (!asset.endsWith('/native')) continue
      const id = idsOf(move)[0]!
      const wei = debit === 'gas:expense' ? amount : credit === 'gas:expense' ? -amount : 0n
      const before = gas.get(id)?.wei ?? 0n
      gas.set(id, { wei: before + wei, at, chain: asset.slice(0, -'/native'.length) })
    }
  return gas
}

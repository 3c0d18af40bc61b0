/** Figures that look like days of a router: the same each time, the more of them the later. */

import { ROLLUPS } from '../../src/analytics/fold.ts'
import { timed } from '../../src/analytics/histogram.ts'
import { placesOf, rowId, TIMED } from '../../src/analytics/places.ts'
import { NOTHING, packed, plus, type Sums } from '../../src/analytics/sums.ts'
import type { Hex } from '../../src/assets.ts'
import type { Call, Settlement } from '../../src/ledger/call.ts'
import type { Usd } from '../../src/money.ts'
import type { Put, Records } from '../../src/store/records.ts'

export const TOKEN: Hex = '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913'
const HOUR = 3_600_000

/** Numbers between 0 and 1, the same for the same seed. */
export const dice = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

type Kind = { model: string; host: string; weight: number; micros: number; ms: number }
export const KINDS: readonly Kind[] = [
  { model: 'openai/gpt-4o-mini', host: 'openai', weight: 34, micros: 420, ms: 1_400 },
  { model: 'anthropic/claude-haiku-4.5', host: 'anthropic', weight: 22, micros: 1_900, ms: 1_900 },
  { model: 'google/gemini-2.5-flash', host: 'google', weight: 18, micros: 700, ms: 1_100 },
  { model: 'deepseek/deepseek-chat', host: 'deepseek', weight: 12, micros: 380, ms: 3_200 },
  { model: 'anthropic/claude-sonnet-4.5', host: 'anthropic', weight: 9, micros: 9_800, ms: 6_800 },
  { model: 'openai/gpt-4.1', host: 'openai', weight: 5, micros: 7_400, ms: 4_700 },
]

const pick = (roll: number): Kind => {
  let left = roll * KINDS.reduce((sum, { weight }) => sum + weight, 0)
  for (const kind of KINDS) {
    left -= kind.weight
    if (left < 0) return kind
  }
  return KINDS[0]!
}

/** Writes what the calls of `days` days came to; `paths`: who called, each from its organisation to its key. */
export const writeRollups = async (
  records: Records,
  about: { now: number; days: number; paths: readonly (readonly string[])[] },
): Promise<void> => {
  const roll = dice(7)
  const rows = new Map<string, Sums>()
  const hours = about.days * 24
  for (let hour = hours - 1; hour >= 0; hour--) {
    const at = about.now - hour * HOUR
    const clock = new Date(at).getUTCHours()
    const weekday = new Date(at).getUTCDay()
    const daylight = (1 - Math.cos(((clock - 3) / 24) * 2 * Math.PI)) / 2
    const busy = (0.2 + 0.9 * daylight ** 1.4) * (weekday % 6 === 0 ? 0.5 : 1)
    const growth = 0.45 + 0.55 * (1 - hour / hours)
    for (const kind of KINDS) {
      const known = about.paths.length > 0 && roll() < 0.85
      const path = known ? about.paths[Math.floor(roll() ** 1.6 * about.paths.length)]! : []
      const calls = Math.max(1, Math.round(27 * kind.weight * busy * growth * (0.85 + roll() * 0.3)))
      const failed = roll() < 0.5 ? Math.round(calls * 0.02 * roll()) : 0
      const charged = BigInt(Math.round((calls - failed) * kind.micros * (0.9 + roll() * 0.2)))
      const took = Math.round(kind.ms * (0.7 + roll()))
      const sums: Sums = {
        ...NOTHING,
        calls,
        served: calls - failed,
        failed,
        charged,
        cost: (charged * BigInt(880 + Math.round(roll() * 60))) / 1_000n,
        flagship: charged * BigInt(kind.micros > 5_000 ? 1 : 4) + charged / 3n,
        input: calls * 1_850,
        cached: calls * 400,
        output: calls * 310,
        whole: { [Object.keys(timed(took))[0]!]: calls },
        first: { [Object.keys(timed(took / 4))[0]!]: calls },
      }
      const marks = {
        at,
        path,
        chain: roll() < 0.8 ? 'eip155:8453' : 'eip155:137',
        strategy: ['balanced', 'cost', 'latency'][Math.floor(roll() * 3)]!,
        tags: [],
        model: kind.model,
        host: kind.host,
        outcome: failed > 0 ? 'released' : 'served',
      }
      for (const place of placesOf(marks)) {
        const id = rowId(place)
        rows.set(
          id,
          plus(rows.get(id) ?? NOTHING, TIMED.has(place.dim) ? sums : { ...sums, first: {}, whole: {} }),
        )
      }
    }
  }
  const puts: Put[] = [...rows].map(([id, sums]) => ({ table: ROLLUPS, id, value: packed(sums) }))
  for (let from = 0; from < puts.length; from += 500) await records.write(puts.slice(from, from + 500))
  const place = { seq: 1, hash: '', at: about.now - 4_000 }
  await records.write([{ table: 'rollupcursor', id: 'cursor', value: place }])
}

const SETTLEMENTS: readonly Settlement['at'][] = [
  'settled',
  'settled',
  'settled',
  'settling',
  'included',
  'due',
]

/** The newest calls, the newest first. */
export const someCalls = (about: {
  now: number
  many: number
  paths: readonly (readonly string[])[]
}): Call[] => {
  const roll = dice(11)
  const hex = (length: number) =>
    `0x${Array.from({ length }, () => Math.floor(roll() * 16).toString(16)).join('')}` as Hex
  let at = about.now
  return Array.from({ length: about.many }, (_, n): Call => {
    at -= Math.round(400 + roll() * 9_000)
    const kind = pick(roll())
    const took = Math.round(kind.ms * (0.6 + roll()))
    const charged = BigInt(Math.round(kind.micros * (0.5 + roll())))
    const path =
      about.paths.length > 0 && roll() < 0.8
        ? about.paths[Math.floor(roll() * about.paths.length)]!
        : undefined
    const bill = {
      charged,
      usage: {
        input: Math.round(400 + roll() * 4_000),
        cached: 0,
        output: Math.round(40 + roll() * 900),
        source: 'reported' as const,
      },
      model: kind.model,
      provider: kind.host,
      responseDigest: hex(64),
      at: at + took,
      ms: took,
      firstMs: Math.round(took / 4),
    }
    const runs = n < 2
    const isBad = !runs && roll() < 0.03
    const state = n < 12 ? SETTLEMENTS[3 + Math.floor(roll() * 3)]! : 'settled'
    const hash = hex(64)
    const proof = { hash, block: 31_000_000n, blockHash: hex(64), logIndex: 3, gas: 0n }
    const settlement: Settlement =
      runs || isBad
        ? { at: 'none' }
        : state === 'settled' || state === 'included'
          ? { at: state, proof }
          : state === 'settling'
            ? { at: 'settling', hash }
            : { at: 'due' }
    return {
      is: 'call',
      id: `call_${String(about.many - n).padStart(7, '0')}${hex(12).slice(2)}`,
      kind: 'eip3009',
      claim: hash,
      chain: roll() < 0.8 ? 'eip155:8453' : 'eip155:137',
      token: TOKEN,
      decimals: 6,
      payer: hex(40),
      payTo: hex(40),
      validAfter: 0n,
      validBefore: 0n,
      nonce: hex(64),
      signature: hex(130),
      signed: charged * 2n,
      credit: 0n,
      ceiling: charged * 2n,
      quoteId: 'q',
      requestDigest: hex(64),
      asked: roll() < 0.4 ? 'auto' : kind.model,
      ...(roll() < 0.4 && { why: 'balanced: good enough and cheapest of 14' }),
      stream: roll() < 0.6,
      settleFirst: false,
      at,
      exposed: 0n as Usd,
      pending: 0n,
      ...(path && { account: path }),
      service: runs
        ? { at: 'streaming', model: kind.model, provider: kind.host }
        : isBad
          ? { at: 'released', why: 'upstream_timeout' }
          : { at: 'served', bill },
      settlement,
    }
  })
}

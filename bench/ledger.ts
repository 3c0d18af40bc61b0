/**
 * How fast each twin of the ledger takes the moves of calls, alone, and whether that changes with what it holds already.
 *
 *     node bench/ledger.ts                        # 1,000, 10,000 and 100,000 calls stored before
 *     node bench/ledger.ts --sizes 1000,1000000 --stores sqlite,redis
 *
 * A life is four moves: claim with its holds, bill with the money due, settle (50 calls in one transaction), settled.
 * 64 lives are under way at once. CPU is of this process with its ledger thread, and of redis-server from /proc.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Ledger } from '../src/ledger/ledger.ts'
import { sqliteLedger } from '../src/ledger/sqlite.ts'
import { aBill, aCall, address, aProof, aTx, settle } from '../test/ledger/fixtures.ts'
import { openRedisLedger } from '../test/ledger/redis-ledger.ts'
import { DURABLE, startRedis } from '../test/support/redis.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000,100000' },
    stores: { type: 'string', default: 'sqlite,redis' },
    calls: { type: 'string', default: '5000' },
  },
})
const LANES = 64
const SHIPPED = 50
let nonce = 0

/** Lives of `n` calls of a thousand payers. */
const live = async (ledger: Ledger, n: number): Promise<void> => {
  let left = n
  let due: { id: string }[] = []
  const ship = async () => {
    const some = due
    due = []
    if (some.length === 0) return
    nonce += 1
    const proof = aProof(nonce)
    await ledger.post(settle(aTx(some, nonce)))
    await Promise.all(some.map(({ id }) => ledger.post({ type: 'settled', id, proof })))
  }
  const lane = async () => {
    while (left-- > 0) {
      const call = aCall({ payer: address(1_000 + (left % 1_000)) })
      const claimed = await ledger.post({ type: 'claim', call, limits: {} })
      if (!claimed.ok) throw new Error(`not claimed: ${claimed.why}`)
      await ledger.post({ type: 'bill', id: call.id, bill: aBill(30n), partial: false, due: true })
      due.push(call)
      if (due.length >= SHIPPED) await ship()
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await ship()
}

/** CPU seconds that a process has used. */
const cpuOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const measure = async (ledger: Ledger, calls: number, redis: number | undefined) => {
  const [cpu, theirs, from] = [process.cpuUsage(), redis ? cpuOf(redis) : 0, performance.now()]
  await live(ledger, calls)
  const seconds = (performance.now() - from) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return {
    'calls/s': Math.round(calls / seconds),
    'µs CPU here': Math.round((user + system) / calls),
    ...(redis && { 'µs CPU of Redis': Math.round(((cpuOf(redis) - theirs) * 1e6) / calls) }),
  }
}

const rows: Record<string, unknown>[] = []
for (const kind of values.stores.split(',')) {
  const dir = mkdtempSync(join(tmpdir(), 'farebox-bench-ledger-'))
  const redis = kind === 'redis' ? await startRedis({ args: DURABLE }) : undefined
  const ledger = redis ? await openRedisLedger(redis.url) : await sqliteLedger(join(dir, 'ledger.db'))
  let stored = 0
  try {
    for (const size of values.sizes.split(',').map(Number)) {
      if (size > stored) await live(ledger, size - stored)
      stored = size + Number(values.calls)
      const memory = redis && /used_memory:(\d+)/.exec(String(await redis.cli('INFO', 'memory')))?.[1]
      rows.push({
        store: kind,
        'calls stored': size,
        ...(await measure(ledger, Number(values.calls), redis?.pid)),
        ...(memory && { 'KB a stored call': Math.round(Number(memory) / size / 102.4) / 10 }),
      })
      console.error(JSON.stringify(rows.at(-1)))
    }
  } finally {
    await ledger.close()
    await redis?.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}
console.table(rows)

import { rmSync } from 'node:fs'
import { createFollower } from '../../src/analytics/follower.ts'
import { systemClock } from '../../src/clock.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import { sqliteRecords } from '../../src/store/records-sqlite.ts'
import { aBill, aCall, address, aProof, aTx, settle } from '../../test/ledger/fixtures.ts'
import { pathOf } from './fleet.ts'

const N = Number(process.argv[2] ?? 1000),
  most = Number(process.argv[3] ?? 500),
  page = Number(process.argv[4] ?? 500)
const ledger = memoryLedger({ clock: systemClock })
let nonce = 0
for (let done = 0; done < N; done += 50) {
  const some = Array.from({ length: 50 }, (_, i) => {
    const n = done + i
    return {
      n,
      call: aCall({
        payer: address(1000 + (n % 1000)),
        account: pathOf((n * 7) % 500),
        at: Date.now(),
        why: 'balanced of',
        tags: { team: `t${n % 30}` },
      }),
    }
  })
  for (const { call } of some) await ledger.post({ type: 'claim', call, limits: {} })
  for (const { call, n } of some)
    await ledger.post({
      type: 'bill',
      id: call.id,
      bill: {
        ...aBill(30n),
        model: `lab/model-${n % 40}`,
        provider: `host-${n % 10}`,
        cost: 25n as never,
        flagship: 200n as never,
        firstMs: n % 700,
        ms: n % 4000,
      },
      partial: false,
      due: true,
    })
  nonce++
  await ledger.post(
    settle(
      aTx(
        some.map(({ call }) => call),
        nonce,
      ),
    ),
  )
  for (const { call } of some) await ledger.post({ type: 'settled', id: call.id, proof: aProof(nonce) })
}
rmSync('/tmp/an/p.db', { force: true })
rmSync('/tmp/an/p.db-wal', { force: true })
const real = await sqliteRecords({ path: '/tmp/an/p.db', clock: systemClock })
let w = 0,
  rows = 0,
  r = 0,
  n = 0
const records = {
  ...real,
  write: async (x: never[]) => {
    const f = performance.now()
    const o = await real.write(x)
    w += performance.now() - f
    rows += x.length
    n++
    return o
  },
  many: async (...a: [string, string[]]) => {
    const f = performance.now()
    const o = await real.many(...a)
    r += performance.now() - f
    return o
  },
}
const cpu = process.cpuUsage(),
  from = performance.now()
const f = createFollower({
  records: records as never,
  ledger,
  log: quietLog,
  now: Date.now,
  mostRows: most,
  page,
})
while ((await f.step()) > 0);
const c = process.cpuUsage(cpu)
console.log({
  ms: performance.now() - from,
  cpuUsPerCall: (c.user + c.system) / N,
  writeMs: w,
  readMs: r,
  rows,
  writes: n,
  rowsPerCall: rows / N,
})
await real.close()

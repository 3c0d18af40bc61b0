/**
 * How fast the rollups follow the ledger, and how long the questions of the dashboard take over ten million calls.
 *
 *     node bench/analytics/run.ts                       # prints
 *     node bench/analytics/run.ts --write               # and writes results.md beside this file
 *     node bench/analytics/run.ts --days 9 --stores sqlite
 *
 * Folding: a real SQLite ledger is filled with calls and its whole journal is followed. Questions: the rows that ten
 * million calls in ninety days would have left are written as they would be, and asked through the desk's operations.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createAnalytics } from '../../src/analytics/analytics.ts'
import { systemClock } from '../../src/clock.ts'
import { analyticsOperations } from '../../src/desk/analytics.ts'
import type { Reading, Scene } from '../../src/desk/desk.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { quietLog } from '../../src/log.ts'
import type { Records } from '../../src/store/records.ts'
import { redisRecords } from '../../src/store/records-redis.ts'
import { sqliteRecords } from '../../src/store/records-sqlite.ts'
import { openRedis } from '../../src/store/redis.ts'
import { aBill, aCall, address, aProof, aTx, settle } from '../../test/ledger/fixtures.ts'
import { DURABLE, startRedis } from '../../test/support/redis.ts'
import { describeMachine } from '../machine.ts'
import { median } from '../stats.ts'
import { KEYS, ORGS, pathOf, rowsOfDay } from './fleet.ts'

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    days: { type: 'string', default: '90' },
    folded: { type: 'string', default: '3000' },
    stores: { type: 'string', default: 'sqlite,redis' },
  },
})
const DAYS = Number(values.days)
const CALLS = 10_000_000
const PER_DAY = CALLS / 90
const TIMES = 40
const BATCH = 500
const clock = systemClock
const log = quietLog
const today = Math.floor(clock.now() / 86_400_000) * 86_400_000
const lines: string[] = []
const say = (line: string) => {
  lines.push(line)
  console.log(line)
}
const elapsed = async (run: () => Promise<unknown>): Promise<number> => {
  const from = performance.now()
  await run()
  return performance.now() - from
}

/** A ledger with calls of all keys: claim, bill, settled fifty at a time. */
const fill = async (file: string, calls: number) => {
  const ledger = await sqliteLedger(file)
  let nonce = 0
  for (let done = 0; done < calls; done += 50) {
    const some = Array.from({ length: 50 }, (_, i) => {
      const n = done + i
      const call = aCall({
        payer: address(1_000 + (n % 1_000)),
        account: pathOf((n * 7) % KEYS),
        at: clock.now(),
        why: 'balanced of 9 hosts',
        tags: { team: `t${n % 30}` },
      })
      return { call, n }
    })
    await Promise.all(some.map(({ call }) => ledger.post({ type: 'claim', call, limits: {} })))
    await Promise.all(
      some.map(({ call, n }) =>
        ledger.post({
          type: 'bill',
          id: call.id,
          bill: {
            ...aBill(30n),
            model: `lab/model-${n % 40}`,
            provider: `host-${n % 10}`,
            cost: 25n as never,
            flagship: 200n as never,
            firstMs: n % 700,
            ms: n % 4_000,
          },
          partial: false,
          due: true,
        }),
      ),
    )
    nonce++
    await ledger.post(
      settle(
        aTx(
          some.map(({ call }) => call),
          nonce,
        ),
      ),
    )
    const proof = aProof(nonce)
    await Promise.all(some.map(({ call }) => ledger.post({ type: 'settled', id: call.id, proof })))
  }
  return ledger
}

const fold = async (
  store: string,
  records: Records,
  ledger: Awaited<ReturnType<typeof fill>>,
  calls: number,
) => {
  const analytics = createAnalytics({
    records,
    ledger,
    clock,
    log,
    mostRows: store === 'redis' ? 300 : 2_000,
  })
  const cpu = process.cpuUsage()
  const ms = await elapsed(analytics.idle)
  const { user, system } = process.cpuUsage(cpu)
  const count = await ledger.lines()
  const rows = (await records.list('rollups', { limit: 1_000_000 })).length
  say(
    `| ${store} | ${calls} | ${count} | ${Math.round((calls / ms) * 1_000)} | ${Math.round((user + system) / calls)} | ${rows} |`,
  )
}

/** The rows of ten million calls, made once for all stores. Users and keys themselves are asked nothing here. */
const generate = async (all: readonly Records[]): Promise<number> => {
  let rows = 0
  for (let day = 0; day < DAYS; day++) {
    const puts = rowsOfDay(today, day, PER_DAY, (scope) => !/^(user|key)_/.test(scope))
    rows += puts.length
    for (let i = 0; i < puts.length; i += BATCH)
      await Promise.all(all.map((records) => records.write(puts.slice(i, i + BATCH))))
  }
  const nodes = Array.from({ length: KEYS }, (_, key) => {
    const id = pathOf(key).at(-1)!
    return { table: 'nodes', id, value: { id, name: `key ${key}`, level: 'key', above: [] } }
  })
  const seals = Array.from({ length: DAYS }, (_, day) => {
    const id = new Date(today - day * 86_400_000).toISOString().slice(0, 10)
    return { table: 'rollupdays', id, value: `sealed ${day}` }
  })
  await Promise.all(all.map((records) => records.write([...nodes, ...seals])))
  return rows
}

const ask = async (store: string, records: Records) => {
  const operations = analyticsOperations()
  const actor = {
    user: 'operator:bench',
    name: 'bench',
    grants: [{ role: 'owner', at: 'site' }],
    via: 'cli',
  } as const
  const org = pathOf(7)[0]!
  const node = {
    id: org,
    level: 'org',
    above: [],
    name: 'an organisation',
    created: 0,
    budgets: [],
    rules: {},
  } as const
  const scene = (of: 'site' | 'org'): Scene => ({
    actor,
    node: of === 'org' ? node : undefined,
    path: of === 'org' ? [org] : [],
    records,
    clock,
  })
  const run = (name: string, of: 'site' | 'org', input: object) => {
    const one = operations[name] as Reading<unknown, unknown>
    return one.run(scene(of), one.input.parse(input))
  }
  const questions: [string, () => Promise<unknown>][] = [
    ['summary of 30 days and the 30 before, site', () => run('analytics.summary', 'site', {})],
    ['summary of 30 days and the 30 before, organisation', () => run('analytics.summary', 'org', {})],
    ['30 days, site', () => run('analytics.series', 'site', {})],
    ['30 days, organisation', () => run('analytics.series', 'org', {})],
    [
      '168 hours, site',
      () =>
        run('analytics.series', 'site', {
          grain: 'hour',
          from: new Date(today - 6 * 86_400_000).toISOString().slice(0, 10),
        }),
    ],
    ['top 10 models in 30 days, site', () => run('analytics.top', 'site', { by: 'model' })],
    ['top 10 models in 30 days, organisation', () => run('analytics.top', 'org', { by: 'model' })],
    ['top 10 keys in 30 days, organisation', () => run('analytics.top', 'org', { by: 'key' })],
    ['top 10 organisations in 30 days, site', () => run('analytics.top', 'site', { by: 'child' })],
    ['top 10 keys of all 500 in 30 days, site', () => run('analytics.top', 'site', { by: 'key' })],
    [
      'summary of 90 days, site',
      () =>
        run('analytics.summary', 'site', {
          from: new Date(today - 89 * 86_400_000).toISOString().slice(0, 10),
        }),
    ],
  ]
  for (const [name, question] of questions) {
    // The first asks the store for every day, the others for what has changed.
    const first = await elapsed(question)
    const times: number[] = []
    for (let i = 0; i < TIMES; i++) times.push(await elapsed(question))
    const p95 = times.toSorted((a, b) => a - b)[Math.floor(TIMES * 0.95)]!
    say(`| ${store} | ${name} | ${first.toFixed(1)} | ${median(times).toFixed(1)} | ${p95.toFixed(1)} |`)
  }
}

const dir = mkdtempSync(join(tmpdir(), 'farebox-bench-analytics-'))
const redis = values.stores.includes('redis') ? await startRedis({ args: DURABLE }) : undefined
try {
  const machine = await describeMachine(dir)
  const loads = [loadavg()[0]!.toFixed(1)]
  const stores: Record<string, (file: string) => Promise<Records>> = {
    sqlite: (file) => sqliteRecords({ path: join(dir, file), clock }),
    redis: async (file) =>
      redisRecords({ store: await openRedis({ url: `${redis!.url}?name=${file.slice(0, 3)}`, log }), clock }),
  }
  const names = values.stores.split(',')
  const calls = Number(values.folded)
  const ledger = await fill(join(dir, 'ledger.db'), calls)
  say('## Following the ledger\n')
  say('| store | calls | journal lines | calls/s | µs CPU a call | rows |\n|---|---|---|---|---|---|')
  for (const name of names) {
    const records = await stores[name]!('fold.db')
    await fold(name, records, ledger, calls)
    await records.close()
  }
  await ledger.close()
  loads.push(loadavg()[0]!.toFixed(1))
  say('\n## Questions\n')
  say('| store | question | first, ms | median, ms | p95, ms |\n|---|---|---|---|---|')
  const filled = await Promise.all(names.map((name) => stores[name]!('rows.db')))
  const rows = await generate(filled)
  for (const [i, name] of names.entries()) {
    await ask(name, filled[i]!)
    await filled[i]!.close()
  }
  loads.push(loadavg()[0]!.toFixed(1))
  const head = [
    '# Analytics, measured',
    '',
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, ${machine.os}, Node ${machine.node.slice(1)}. Load average at the begin, after folding and at the end: ${loads.join(', ')}; anything much above 1 is other work on the machine, and these figures are then worse than they need to be. 4 KB written and synced: ${machine.fsyncUs} µs. Made by \`node bench/analytics/run.ts --write\`.`,
    '',
    `Folded calls are real: ${calls} lives of four moves in a SQLite ledger, with four nodes above each and one tag. The rows of the questions are not folded from ${((CALLS * DAYS) / 90).toLocaleString('en')} calls but written as the follower would have written them: ${DAYS} days, ${ORGS} organisations, 100 teams, 250 users, ${KEYS} keys, 40 models, 10 hosts, 30 tags, hours of the last 60 days: ${rows.toLocaleString('en')} rows. The rows of users and keys themselves are left out, since no question here reads them.`,
    '',
  ]
  if (values.write)
    writeFileSync(join(import.meta.dirname, 'results.md'), `${[...head, ...lines].join('\n')}\n`)
  else console.log(head.join('\n'))
} finally {
  await redis?.stop()
  rmSync(dir, { recursive: true, force: true })
}

/**
 * How fast the pages of the desk are over a SQLite ledger of a million calls: what the server takes for a page, and when
 * a browser has painted it.
 *
 *     node bench/dashboard/run.ts [--calls 1000000] [--write]     # --write: results.md beside this file
 *
 * The calls are written as rows, as the ledger would have written them; the tree, the sums and the pages are real.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import type { Browser } from 'playwright-core'
import { systemClock } from '../../src/clock.ts'
import { encode } from '../../src/ledger/codec.ts'
import { sqliteLedger } from '../../src/ledger/sqlite.ts'
import { sqliteRecords } from '../../src/store/records-sqlite.ts'
import { startBrowser } from '../../test/browser/chromium.ts'
import { someCalls } from '../../test/browser/figures.ts'
import { seed, someUse } from '../../test/browser/seed.ts'
import { OPERATOR, openSite, type Site } from '../../test/browser/site.ts'
import { describeMachine } from '../machine.ts'
import { median } from '../stats.ts'

const { values } = parseArgs({
  options: { calls: { type: 'string', default: '1000000' }, write: { type: 'boolean', default: false } },
})
const CALLS = Number(values.calls)
const TIMES = 15
const PAINTS = 5
const lines: string[] = []
const say = (line = ''): void => {
  lines.push(line)
  console.log(line)
}

/** Rows of calls, all settled, the same few hundred in turn with ids and times of their own. */
const fill = (file: string, paths: readonly (readonly string[])[]): void => {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA synchronous = OFF; CREATE TEMP TABLE templates (k INTEGER PRIMARY KEY, json TEXT NOT NULL)')
  const templates = someCalls({ now: 0, many: 400, paths }).filter(
    ({ settlement }) => settlement.at === 'settled',
  )
  const insert = db.prepare('INSERT INTO templates VALUES (?, ?)')
  for (const [k, call] of templates.entries())
    insert.run(k, encode({ ...call, id: '@id' }).replace(/"at":-?\d{2,}/, '"at":@at'))
  db.prepare(
    `INSERT INTO subjects SELECT i, printf('call_%012d', i), 'call', 1, 'eip155:8453/usdc', 31000000 + i / 50,
       replace(replace(json, '@id', printf('call_%012d', i)), '@at', ? - (? - i) * 2500)
     FROM (WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < ?) SELECT i FROM s)
     JOIN templates ON k = i % ?`,
  ).run(Date.now(), CALLS, CALLS, templates.length)
  db.close()
}

/** Milliseconds until a page was read whole; what it says must be there. */
const pageOf = async (site: Site, path: string, cookie: string): Promise<{ ms: number; html: string }> => {
  const from = performance.now()
  const answer = await fetch(`${site.url}${path}`, { headers: { cookie } })
  const html = await answer.text()
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`)
  return { ms: performance.now() - from, html }
}

const cookieOf = async ({ url }: Site): Promise<string> => {
  const answer = await fetch(`${url}/admin/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: OPERATOR.name, password: OPERATOR.password }),
  })
  return answer.headers.get('set-cookie')!.split(';')[0]!
}

type Painted = { first: number; largest: number }

const paintOf = async (browser: Browser, { url }: Site, path: string, cookie: string): Promise<Painted> => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const [name, value] = cookie.split('=')
  await context.addCookies([{ name: name!, value: value!, url }])
  const page = await context.newPage()
  await page.goto(`${url}${path}`, { waitUntil: 'load' })
  const painted = await page.evaluate(`new Promise((resolve) => new PerformanceObserver((list) => {
    const first = performance.getEntriesByName('first-contentful-paint')[0]?.startTime
    resolve({ first, largest: list.getEntries().at(-1).startTime })
  }).observe({ type: 'largest-contentful-paint', buffered: true }))`)
  await context.close()
  return painted as Painted
}

const round = (ms: number): string => ms.toFixed(ms < 10 ? 1 : 0)

const dir = mkdtempSync(join(tmpdir(), 'farebox-dashboard-'))
try {
  const file = join(dir, 'ledger.db')
  await (await sqliteLedger(file)).close()
  const records = await sqliteRecords({ path: join(dir, 'records.db'), clock: systemClock })
  const seeding = await openSite({ records, used: someUse(), deaf: true })
  const { orgs, keys, paths } = await seed(seeding, { days: 61, many: 0 })
  await seeding.close()
  const from = performance.now()
  fill(file, paths)
  console.log(`${CALLS} calls written in ${round((performance.now() - from) / 1_000)} s`)
  const ledger = await sqliteLedger(file)
  const site = await openSite({ records, ledger, used: someUse() })
  const cookie = await cookieOf(site)
  const machine = await describeMachine(dir)

  say('# Pages of the desk, measured')
  say()
  say(
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, ${machine.os}, Node ${machine.node.slice(1)}, load average ${loadavg()[0]!.toFixed(1)} at the start, by \`node bench/dashboard/run.ts --calls ${CALLS}\`.`,
  )
  say(
    `${CALLS.toLocaleString('en-US')} calls in a SQLite ledger of ${Math.round(statSync(file).size / 1e6)} MB; sums of 61 days; ${keys.length} keys.`,
  )
  say()
  say('## What the server takes for a page')
  say()
  say('From the request to its last byte, one at a time, over a socket on the same machine.')
  say()
  say('| page | kB | first, ms | median, ms | slowest of the rest, ms |')
  say('|---|---|---|---|---|')
  const deep = printfId(CALLS / 2)
  for (const [name, path] of [
    ['overview, 7 days by the hour', '/admin'],
    ['overview, 30 days', '/admin?days=30'],
    ['calls, the newest 50', '/admin/calls'],
    ['calls, 50 from the middle', `/admin/calls?before=${deep}`],
    ['calls of one organisation', `/admin/calls?at=${orgs[0]}`],
    ['calls of one key', `/admin/calls?at=${keys[0]}`],
    ['calls in a state that none has (looks through the most)', '/admin/calls?state=lost'],
    ['settlements', '/admin/settlements'],
    ['analytics, 30 days by model', '/admin/analytics'],
    ['analytics, 30 days by key', '/admin/analytics?by=key'],
    ['organisations', '/admin/tree'],
    ['keys', '/admin/keys'],
    ['audit log', '/admin/audit'],
  ] as const) {
    const first = await pageOf(site, path, cookie)
    const times: number[] = []
    for (let i = 0; i < TIMES; i++) times.push((await pageOf(site, path, cookie)).ms)
    say(
      `| ${name} | ${Math.round(first.html.length / 1_000)} | ${round(first.ms)} | ${round(median(times))} | ${round(Math.max(...times))} |`,
    )
  }
  say()
  say('## When a browser has painted it')
  say()
  say(
    `Chromium without a screen on the same cores, nothing cached, the median of ${PAINTS}; milliseconds after the address was asked for.`,
  )
  say()
  say('| page | first contentful paint | largest contentful paint |')
  say('|---|---|---|')
  const browser = await startBrowser()
  for (const path of ['/admin', '/admin/calls', '/admin/analytics', '/admin/tree']) {
    const all: Painted[] = []
    for (let i = 0; i < PAINTS; i++) all.push(await paintOf(browser, site, path, cookie))
    say(
      `| ${path} | ${round(median(all.map(({ first }) => first)))} | ${round(median(all.map(({ largest }) => largest)))} |`,
    )
  }
  await browser.close()
  say()
  say(
    `Memory of the server after all this: ${Math.round(process.memoryUsage().rss / 1e6)} MB. Load average at the end ${loadavg()[0]!.toFixed(1)}.`,
  )
  if (values.write) writeFileSync(join(import.meta.dirname, 'results.md'), `${lines.join('\n')}\n`)
  await site.close()
  await ledger.close()
  await records.close()
} finally {
  rmSync(dir, { recursive: true, force: true })
}

function printfId(i: number): string {
  return `call_${Math.round(i).toString().padStart(12, '0')}`
}

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** The one order of the house: a file imports from its own place or from places to the left. */
const ORDER = (
  'clock errors ids money assets csv log metrics ‹ wire ‹ client ‹ chain ‹ providers ‹ store ‹ admit ‹ ledger ‹ accounts ‹ alerts ‹ analytics ‹ catalog ‹ ' +
  'route ‹ quote ‹ settle ‹ payment ‹ channel ‹ call ‹ reconcile ‹ desk ‹ http ‹ config ‹ cli ‹ main ‹ index'
)
  .split(' ‹ ')
  .map((names) => names.split(' '))

/** Judges: they decide and do nothing, so that they can be tested by the thousand. */
const PURE = [
  'money.ts',
  'assets.ts',
  'assets/known.ts',
  'assets/complete.ts',
  'errors.ts',
  'accounts/caller.ts',
  'accounts/limits.ts',
  'accounts/roles.ts',
  'alerts/address.ts',
  'alerts/anomaly.ts',
  'alerts/budget-events.ts',
  'alerts/delivery.ts',
  'alerts/target.ts',
  'ledger/moves.ts',
  'ledger/apply.ts',
  'ledger/call.ts',
  'route/asked.ts',
  'route/breaker.ts',
  'route/fit.ts',
  'route/judge.ts',
  'route/needs.ts',
  'route/plan.ts',
  'route/row.ts',
  'route/strategies.ts',
  'call/explain.ts',
  'call/retries.ts',
  'wire/messages-door.ts',
  'wire/responses-door.ts',
  'quote/price.ts',
  'quote/estimate.ts',
  'quote/tokens.ts',
  'payment/terms.ts',
  'admit/gcra.ts',
  'admit/aimd.ts',
  'http/ready.ts',
  'ledger/redis-move.ts',
  'settle/proof.ts',
  'reconcile/match.ts',
  'client/policy.ts',
  'chain/agree.ts',
  'call/meter.ts',
  'call/retries.ts',
  'route/breaker.ts',
]

const SRC = join(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const text = (file: string) => readFileSync(join(SRC, file), 'utf8')
const place = (file: string): number => {
  const name = file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '')
  return ORDER.findIndex((names) => names.includes(name))
}
const imports = (file: string): string[] =>
  [...text(file).matchAll(/^(?:import|export)[^'"]*?from '(\.[^']+)'/gms)]
    .map((match) => relative(SRC, join(SRC, dirname(file), match[1]!)))
    .filter((target) => !target.startsWith('..'))

test('every file has a place in the house', () => {
  expect(files.filter((file) => place(file) === -1)).toEqual([])
})

test('a file imports from its own place or from the left only', () => {
  const backwards = files.flatMap((file) =>
    imports(file)
      .filter((target) => place(target) > place(file))
      .map((target) => `${file} → ${target}`),
  )
  expect(backwards).toEqual([])
})

test('judges hold no await', () => {
  const present = PURE.filter((file) => files.includes(file))
  expect(present).toEqual(PURE)
  expect(present.filter((file) => /\bawait\b|\basync\b/.test(text(file)))).toEqual([])
})

test('viem is at home in chain/, the client, the demo and nowhere else', () => {
  const users = files.filter((file) => /from 'viem/.test(text(file)))
  expect(users.filter((file) => !/^(chain|client|cli)\//.test(file))).toEqual([])
})

test('no file passes 400 lines, and few pass 250', () => {
  const lines = files
    .filter((file) => !file.includes('.generated.'))
    .map((file) => ({ file, lines: text(file).trimEnd().split('\n').length }))
  expect(lines.filter((one) => one.lines > 400)).toEqual([])
  expect(lines.filter((one) => one.lines > 250).map((one) => one.file)).toEqual([])
})

test('no float ever holds money', () => {
  const offenders = files.filter((file) =>
    /parseFloat|Number\([^)]*(?:amount|usd|units|price)/i.test(text(file)),
  )
  expect(offenders).toEqual([])
})

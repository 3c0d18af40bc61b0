import { beforeEach, expect, test } from 'vitest'
import { type Node, nodePut } from '../../src/accounts/node.ts'
import type { Actor, Role } from '../../src/accounts/roles.ts'
import { createAnalytics } from '../../src/analytics/analytics.ts'
import { systemClock } from '../../src/clock.ts'
import { analyticsOperations } from '../../src/desk/analytics.ts'
import { createDesk, type Desk } from '../../src/desk/desk.ts'
import { memoryLedger } from '../../src/ledger/memory.ts'
import { quietLog } from '../../src/log.ts'
import type { Usd } from '../../src/money.ts'
import { memoryRecords } from '../../src/store/records.ts'
import { AT, aBill, aCall, aProof, moves, postAll, usd } from '../ledger/fixtures.ts'

const clock = { ...systemClock, now: () => AT }
const DAY = '2023-11-14'
const ORG = 'org_a'
const actor = (role: Role, at = 'site'): Actor => ({
  user: 'operator:ann',
  name: 'Ann',
  grants: [{ role, at }],
  via: 'token',
})
const node = (id: string, level: Node['level'], above: string[], name: string) =>
  nodePut({ id, level, above, name, created: 1, budgets: [], rules: {} }, 0)

let desk: Desk
beforeEach(async () => {
  const records = memoryRecords({ clock })
  const ledger = memoryLedger({ clock })
  await records.write([
    node(ORG, 'org', [], 'Acme'),
    node('team_x', 'team', [ORG], '=HYPERLINK("x")'),
    node('org_b', 'org', [], 'Other'),
    node('user_q', 'user', [ORG], 'Q'),
  ])
  for (const [account, at, tag] of [
    [[ORG, 'team_x'], AT, '=1+1'],
    [[ORG, 'user_n'], AT - 86_400_000, 'plain'],
    [['org_b'], AT, 'plain'],
    [[ORG, 'team_x'], AT - 40 * 86_400_000, 'old'],
  ] as const) {
    const call = aCall({ account, at, tags: { run: tag }, signed: 2_000_000n })
    const bill = {
      ...aBill(1_500_000n),
      cost: usd(1_000_000),
      flagship: usd(9_000_000),
      firstMs: 100,
      ms: 900,
    }
    const { claim, stream } = moves(call)
    await postAll(
      ledger,
      claim(),
      stream(),
      { type: 'bill', id: call.id, bill, partial: false, due: true },
      { type: 'settled', id: call.id, proof: aProof(3, { gas: 10n ** 12n }) },
    )
  }
  await createAnalytics({ records, ledger, clock, log: quietLog }).idle()
  const usdOfGas = (_: string, wei: bigint) => (wei / 10n ** 9n) as Usd
  desk = createDesk({
    operations: analyticsOperations({ usdOfGas }),
    records,
    clock,
    approve: async () => [],
  })
})

const ask = (who: Actor, name: string, input: object) => desk.run(who, `analytics.${name}`, input)
const theirs = ['cost', 'uncosted', 'margin', 'unpaid', 'gas', 'gasUsd', 'net']

test('an organisation sees what it spent and saved in a month, and what in the month before', async () => {
  const told = await ask(actor('developer', ORG), 'summary', { at: ORG })
  expect(told).toMatchObject({
    from: '2023-10-16',
    to: DAY,
    calls: 2,
    spend: '3',
    savings: '15',
    latency: { p50: 939 },
    before: { calls: 1, spend: '1.5', to: '2023-10-15' },
    asOf: new Date(AT).toISOString(),
    complete: true,
  })
})

test('what we pay and earn is told to those who may read money at the site, and to nobody else', async () => {
  for (const [name, input] of [
    ['summary', {}],
    ['series', { from: DAY }],
    ['top', { by: 'model' }],
  ] as const) {
    const [own, ours] = await Promise.all([
      ask(actor('owner', ORG), name, { ...input, at: ORG }),
      ask(actor('finance'), name, { ...input, at: ORG }),
    ])
    for (const word of theirs) {
      expect(JSON.stringify(own)).not.toContain(`"${word}"`)
      expect(JSON.stringify(ours)).toContain(`"${word}"`)
    }
  }
  const own = (await ask(actor('owner', ORG), 'csv', { at: ORG })) as { text: string }
  const ours = (await ask(actor('finance'), 'csv', { at: ORG })) as { text: string }
  expect(own.text.split('\r\n')[0]).not.toMatch(/cost|margin|net/)
  expect(ours.text.split('\r\n')[0]).toMatch(/cost,uncosted,margin,unpaid,gasUsd,net$/)
  await expect(
    ask(actor('owner', ORG), 'top', { at: ORG, by: 'model', sort: 'margin' }),
  ).rejects.toMatchObject({
    code: 'forbidden',
  })
  expect(await ask(actor('finance'), 'summary', { at: ORG, from: DAY })).toMatchObject({
    cost: '1',
    margin: '0.5',
    gas: { 'eip155:8453': '1000000000000' },
    gasUsd: '0.001',
    net: '0.499',
  })
})

test('nobody sees another organisation, or the site without a role there', async () => {
  await expect(ask(actor('owner', ORG), 'summary', { at: 'org_b' })).rejects.toMatchObject({
    code: 'not_here',
  })
  await expect(ask(actor('owner', ORG), 'summary', {})).rejects.toMatchObject({ code: 'forbidden' })
})

test('days follow each other, those without a call too', async () => {
  const told = (await ask(actor('auditor'), 'series', { at: ORG, from: '2023-11-12', to: DAY })) as {
    points: { at: string; calls: number; spend: string }[]
  }
  expect(told.points.map(({ at, calls, spend }) => [at, calls, spend])).toEqual([
    ['2023-11-12', 0, '0'],
    ['2023-11-13', 1, '1.5'],
    ['2023-11-14', 1, '1.5'],
  ])
  const hours = (await ask(actor('auditor'), 'series', { from: DAY, grain: 'hour' })) as typeof told
  expect(hours.points).toHaveLength(24)
  expect(hours.points.filter(({ calls }) => calls > 0).map(({ at, calls }) => [at, calls])).toEqual([
    [`${DAY}T22`, 2],
  ])
})

test('teams and users of an organisation are told by name where they have one', async () => {
  const told = await ask(actor('owner', ORG), 'top', { at: ORG, by: 'child', from: '2023-11-13', limit: '1' })
  expect(told).toMatchObject({
    values: [{ value: 'team_x', name: '=HYPERLINK("x")', calls: 1 }],
    rest: { values: 1, calls: 1 },
  })
  const orgs = await ask(actor('owner'), 'top', { by: 'child' })
  expect(orgs).toMatchObject({
    values: [
      { value: ORG, name: 'Acme' },
      { value: 'org_b', name: 'Other' },
    ],
  })
})

test('the CSV of tags and nodes runs nothing in a spreadsheet', async () => {
  const tags = (await ask(actor('owner', ORG), 'csv', { at: ORG, by: 'tag', from: DAY })) as {
    text: string
    file: string
  }
  expect(tags.file).toBe(`analytics-tag-${DAY}-${DAY}.csv`)
  expect(tags.text).toContain(`\r\n${DAY},run==1+1,,1,1,0,0,1.5,0,1.5,9,7.5,10,0,2,,\r\n`)
  const teams = (await ask(actor('owner', ORG), 'csv', { at: ORG, by: 'child', from: DAY })) as {
    text: string
  }
  expect(teams.text).toContain(`team_x,"'=HYPERLINK(""x"")",1`)
})

test.each([
  ['summary', { from: '2023-02-30' }, /from/],
  ['summary', { from: '2023-11-14', to: '2023-11-13' }, /after/],
  ['summary', { from: '2022-01-01' }, /at most 400 days/],
  ['series', { from: '2023-09-01', grain: 'hour' }, /at most 31 days/],
  ['top', { by: 'total' }, /by/],
  ['top', { by: 'model', limit: 5_000 }, /limit/],
  ['csv', { by: 'model', grain: 'hour' }, /hour/],
  ['top', { by: 'host', at: 'user_q' }, /users and keys/],
])('%s of %j is refused with what is wrong with it', async (name, input, why) => {
  const message = await ask(actor('owner'), name, input).then(
    () => 'told',
    (error) => `${error.code} ${JSON.stringify(error.details)}`,
  )
  expect(message).toMatch(why)
  expect(message).toMatch(/^invalid_request/)
})

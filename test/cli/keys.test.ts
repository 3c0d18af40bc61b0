import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditVerify } from '../../src/cli/audit.ts'
import { deskCommand } from '../../src/cli/desk.ts'
import type { Way } from '../../src/cli/desk-way.ts'
import { budgetOf, keysCreate, keysFreeze, keysList, keysRotate } from '../../src/cli/keys.ts'
import { systemClock } from '../../src/clock.ts'
import { openRecords } from '../../src/main/fleet.ts'
import { paper, type Site, site } from './site.ts'

let here: Site
let own: () => Promise<Way>
beforeAll(() => {
  here = site()
  own = here.way()
})
afterAll(() => here.stop())

const create = async (wish: object, way = own) => {
  const { text, out } = paper()
  const code = await keysCreate({ way, out, name: 'night run', bearer: true, budget: [], ...wish })
  return { code, text: text(), id: /key_[\w-]+/.exec(text())?.[0] ?? '' }
}
const list = async (wish: object = {}) => {
  const { lines, out } = paper()
  const code = await keysList({ way: own, out, json: false, ...wish })
  return { code, lines }
}
const SECRET = /fbx_[a-z0-9]{8}_[\w-]{43}/

test('one command makes a key and all that is missing above it', async () => {
  const place = { org: 'Acme', team: 'Search', user: 'Crawler' }
  const made = await create({
    ...place,
    budget: ['day=5', 'month=100,soft,Europe/Berlin'],
    models: 'simulated/talk',
  })
  expect(made.code).toBe(0)
  expect(
    made.text
      .split('\n')
      .map((line) => line.replace(/(org|team|user|key)_[\w-]{22}/, 'ID').replace(SECRET, 'SECRET')),
  ).toEqual([
    'made the organisation Acme  ID',
    'made the team Search  ID',
    'made the user Crawler  ID',
    'made the key night run  ID',
    '  budget  $5 per day, hard, UTC',
    '  budget  $100 per month, soft, Europe/Berlin',
    '  secret  SECRET',
    'This is shown once. Send it with every call, beside the payment; without one it answers 402 with the price:',
    `  curl -i http://127.0.0.1:8402/v1/chat/completions -H 'authorization: Bearer SECRET' \\`,
    `    -H 'content-type: application/json' -d '{"model":"simulated/talk","messages":[{"role":"user","content":"Hello"}]}'`,
  ])
  const second = await create({ ...place, name: 'day run', bearer: false, wallet: `0x${'Ab'.repeat(20)}` })
  expect(second.text).not.toMatch(/made the (organisation|team|user)|fbx_/)
  expect(second.text).toContain(`wallet  0x${'ab'.repeat(20)}`)
  const { lines } = await list()
  expect(lines).toHaveLength(3)
  expect(lines.find((line) => line.includes('night run'))).toMatch(
    /^key_\S+ +Acme › Search › Crawler › night run +fbx_\w{8} +active +\$0 of \$5 per day; \$0 of \$100 per month$/,
  )
})

test('a key of the same name is not made again, and a taken wallet is refused', async () => {
  const place = { org: 'Twice', user: 'One' }
  const { id } = await create(place)
  const again = await create(place)
  expect([again.code, again.id]).toEqual([1, id])
  expect(again.text).toMatch(/There is a key "night run" of this user already/)
  const wallet = `0x${'cd'.repeat(20)}`
  await create({ ...place, name: 'first', bearer: false, wallet })
  const taken = await create({ ...place, name: 'second', bearer: false, wallet })
  expect(taken).toMatchObject({ code: 1, text: expect.stringContaining('[taken_here]') })
})

test('a name cannot give orders to the terminal of who lists keys', async () => {
  const name = 'Acme\x1b]0;owned\x07\u009b2J\na forged row \u202e'
  const shown = String.raw`Acme\u001b]0;owned\u0007\u009b2J\u000aa forged row \u202e`
  const desk = await own()
  const { node } = (await desk.run('org.create', { name: `${name}x` })) as { node: { id: string } }
  const user = { user: `${name}y`, orgId: node.id }
  const made = await create({ ...user, name: `${name}z` })
  const { lines } = await list({ orgId: node.id })
  expect(lines).toHaveLength(2)
  expect(lines[1]).toContain(`${shown}x › ${shown}y › ${shown}z`)
  const { text, out } = paper()
  await keysFreeze({ way: own, out, id: made.id, frozen: true })
  await keysRotate({ way: own, out, id: made.id })
  await keysList({ way: own, out, json: true, orgId: node.id })
  await deskCommand({ operation: 'node.get', words: [`id=${made.id}`], way: own, out })
  const told = text()
  const all = `${made.text}\n${lines.join('\n')}\n${told}`
  expect(all.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  expect(JSON.parse(told.slice(told.indexOf('{\n'))).node.name).toBe(`${name}z`)
})

test('of two organisations of one name nobody guesses which is meant', async () => {
  const desk = await own()
  const ids: string[] = []
  for (let i = 0; i < 2; i++) {
    const { node } = (await desk.run('org.create', { name: 'Same' })) as { node: { id: string } }
    ids.push(node.id)
  }
  await desk.close()
  const asked = create({ org: 'Same', user: 'One' })
  await expect(asked).rejects.toThrow(/^2 organisations are called "Same": say --org-id with one of org_/)
  expect((await create({ orgId: ids[1], user: 'One' })).code).toBe(0)
  const { lines } = await list({ orgId: ids[1] })
  expect(lines.slice(1)).toEqual([expect.stringContaining('Same › One › night run')])
  expect((await list({ orgId: ids[0] })).lines).toEqual(['No keys; `farebox keys create` makes one.'])
})

test('a key is frozen, let go on and rotated by its id, and the log says who did it', async () => {
  const { id, text } = await create({ org: 'Frozen', user: 'One' })
  const { out, lines } = paper()
  const facts = { way: own, out, id }
  expect(await keysFreeze({ ...facts, frozen: true })).toBe(0)
  expect((await list({ org: 'Frozen' })).lines[1]).toMatch(/ frozen$/)
  expect(await keysFreeze({ ...facts, frozen: false })).toBe(0)
  expect((await list({ org: 'Frozen' })).lines[1]).toMatch(/ active$/)
  expect(await keysRotate(facts)).toBe(0)
  const secret = SECRET.exec(lines.join('\n'))?.[0]
  expect(secret).toMatch(SECRET)
  expect(text).not.toContain(secret)
  expect(await keysFreeze({ ...facts, id: 'key_nothing', frozen: true })).toBe(1)
  expect(lines.slice(-2)).toEqual([
    'There is no such id here. [not_here]',
    '  List what there is, and use an id from that list.',
  ])
  const desk = await own()
  const { rows } = (await desk.run('audit.list', { what: 'key.rotate' })) as { rows: { actor: object }[] }
  await desk.close()
  expect(rows[0]!.actor).toMatchObject({ user: 'operator:cli', via: 'cli' })
  const records = await openRecords(here.config.store, systemClock)
  expect(await auditVerify({ records, out: () => {}, json: false })).toBe(0)
  await records.close()
})

test('budgets are typed as a window and a sum', () => {
  expect(budgetOf('day=5')).toEqual({ per: 'day', limit: '5' })
  expect(budgetOf('month=0.50,soft,rolling')).toEqual({
    per: 'month',
    limit: '0.50',
    kind: 'soft',
    window: 'rolling',
  })
  expect(budgetOf('hour=1,Europe/Berlin')).toMatchObject({ zone: 'Europe/Berlin' })
  for (const wrong of ['', 'day', 'week=5', 'day=', 'day=-1', 'day=1e3'])
    expect(() => budgetOf(wrong)).toThrow('--budget')
})

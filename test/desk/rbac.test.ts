import { expect, test } from 'vitest'
import { asking } from '../../src/accounts/approvals.ts'
import type { Node, NodeId } from '../../src/accounts/node.ts'
import {
  type Actor,
  GRANTS,
  type Grant,
  type Permission,
  ROLES,
  type Role,
} from '../../src/accounts/roles.ts'
import { newToken } from '../../src/accounts/tokens.ts'
import type { Operations } from '../../src/desk/desk.ts'
import { operationsOf } from '../../src/desk/operations.ts'
import { errorBody, Refusal } from '../../src/errors.ts'
import { actorOf, type DeskWorld, deskWorld, ROOT } from '../support/desk.ts'

/** All operations there are. */
const operations: Operations = operationsOf({
  hashPassword: async () => 'x',
  verifyPassword: async () => true,
  lockout: { take: async () => 0, passed: async () => {} },
  isUsed: async () => false,
  site: 'https://router.example.com',
  spent: async () => ({ used: '0', resets: undefined }),
  webhooks: { targets: () => ({ allowPrivate: true, allowHosts: [] }), resolve: async () => [] },
  router: {
    ledger: {
      recent: async () => [],
      open: async () => [],
      openErrands: async () => [],
      counter: async () => 0n,
    },
    health: { resting: () => [], failing: () => [], barredFor: () => 0 } as never,
    tempo: { expectMs: () => 0 },
    catalog: () => ({ models: [] }) as never,
    providers: () => [],
    assets: () => [],
    exposureLimit: () => 0n as never,
    ready: async () => ({}),
    findings: async () => [],
  },
})

/** One operation tried at one place. `at`: where its permission counts; `own`: what everybody may; `also`: what it needs besides. */
type Sample = { input: unknown; at: NodeId; own?: true; also?: readonly Permission[] }
type Place = { target: NodeId; world: DeskWorld }
type Sampler = (place: Place) => Sample | undefined | Promise<Sample | undefined>

/** The user and the key that stand at or below a node. */
const userOf = (target: NodeId): NodeId => `user_${inside(target)}`
const keyOf = (target: NodeId): NodeId => `key_${inside(target)}`
const inside = (target: NodeId): string =>
  target.startsWith('team_') ? target.slice(5) : `${target.slice(4)}1`
const teamOf = (target: NodeId): NodeId => `team_${inside(target)}`

const at =
  (input: object = {}, name = 'at'): Sampler =>
  ({ target }) => ({ input: { ...input, [name]: target }, at: target })
/** Of a node, and so never of the site. */
const node =
  (
    name: string,
    input: object = {},
    which = (target: NodeId) => target,
    also?: readonly Permission[],
  ): Sampler =>
  ({ target }) => {
    if (target === 'site') return undefined
    const id = which(target)
    return { input: { ...input, [name]: id }, at: id, ...(also && { also }) }
  }
const site =
  (input: object = {}): Sampler =>
  () => ({ input, at: 'site' })
const own =
  (input: object = {}): Sampler =>
  () => ({ input, at: 'site', own: true })
const ofHook =
  (input: object = {}): Sampler =>
  async ({ target, world }) => ({ input: { ...input, hook: await hookAt(world, target) }, at: target })
const ofDelivery: Sampler = async ({ target, world }) => {
  const made = await world.desk.run(ROOT, 'hook.test', { hook: await hookAt(world, target) })
  return { input: { delivery: (made as { delivery: string }).delivery }, at: target }
}
const hookAt = async ({ desk, records }: DeskWorld, target: NodeId): Promise<string> => {
  await desk.run(ROOT, 'hook.create', { at: target, url: 'https://hooks.example.com/x' })
  return (await records.list('hooks', { limit: 10 }))[0]!.id
}
const asOwnerOf =
  (input: object): Sampler =>
  (place) => {
    const made = node('user', input, userOf, ['role.write'])(place) as Sample | undefined
    return made
  }

/** How each operation is asked for. One that is missing here fails the test: say where its permission counts. */
const SAMPLES: Readonly<Record<string, Sampler>> = {
  'tree.list': at({}, 'under'),
  'node.list': at({ level: 'key' }),
  'tree.mine': own(),
  'node.get': node('id'),
  'org.create': site({ name: 'New' }),
  'team.create': ({ target }) =>
    target.startsWith('org_') ? { input: { org: target, name: 'New' }, at: target } : undefined,
  'user.login': node('id', {}, userOf),
  'me.password': own({ present: 'x', next: 'a new password for me' }),
  'user.create': node('in', { name: 'New', login: 'new.user' }),
  'node.rename': node('id', { name: 'New' }),
  'node.move': (place) => node('id', { to: teamOf(place.target) }, userOf)(place),
  'node.freeze': node('id', { frozen: true }, undefined, ['tree.write']),
  'node.delete': node('id'),
  'node.rules': node('id', { rules: {} }),
  'node.budgets': node('id', { budgets: [] }),
  'key.create': node('user', { name: 'New' }, userOf),
  'key.rotate': node('id', {}, keyOf),
  'approval.list': at(),
  'approval.decide': async ({ target, world }) => {
    const path = (await world.people.pathOf(target))!
    const asked = {
      kind: 'operation',
      what: 'x',
      why: 'y',
      by: { user: 'z', name: 'z' },
      at: target,
      path,
      ask: 'x',
    } as const
    const { approval, writes } = asking(asked, world.clock.now(), 60_000)
    await world.records.write(writes)
    return { input: { id: approval.id, approve: true }, at: target }
  },
  'hook.events': own(),
  'hook.list': at(),
  'hook.get': ofHook(),
  'hook.create': at({ url: 'https://hooks.example.com/x' }),
  'hook.update': ofHook({ description: 'New' }),
  'hook.pause': ofHook(),
  'hook.resume': ofHook(),
  'hook.delete': ofHook(),
  'hook.rotate': ofHook(),
  'hook.test': ofHook(),
  'delivery.list': ofHook(),
  'delivery.get': ofDelivery,
  'delivery.redeliver': ofDelivery,
  'analytics.summary': at(),
  'analytics.series': at(),
  'analytics.top': at({ by: 'model' }),
  'analytics.csv': at(),
  'audit.list': at(),
  'audit.export': at(),
  'audit.verify': site(),
  'role.grant': (place) =>
    place.target === 'site'
      ? { input: { user: 'user_a1', role: 'auditor', at: 'site' }, at: 'site' }
      : { input: { user: userOf(place.target), role: 'auditor', at: place.target }, at: place.target },
  'role.revoke': (place) =>
    place.target === 'site'
      ? { input: { user: 'user_a1', role: 'auditor', at: 'site' }, at: 'site' }
      : { input: { user: userOf(place.target), role: 'auditor', at: place.target }, at: place.target },
  'session.list': asOwnerOf({}),
  'session.end': asOwnerOf({ all: true }),
  'token.create': own({ name: 't', grants: [] }),
  'token.list': asOwnerOf({}),
  'token.revoke': async (place) => {
    if (place.target === 'site') return undefined
    const user = userOf(place.target)
    const { id, put } = newToken({ user, name: 't', created: 0, expires: 2e12, grants: [] })
    await place.world.records.write([put])
    return { input: { user, id }, at: user, also: ['role.write'] }
  },
  'overview.get': site(),
  'call.list': at(),
  'host.list': site(),
  'model.list': site(),
  'settlement.list': site(),
  'finding.list': site(),
}

/** Only users have one of their own; their ends are tested with the sign-in. */
const OF_USERS: ReadonlySet<string> = new Set(['me.password'])

/** Where an actor has its role, and what it asks about. */
const PLACES: readonly (readonly [words: string, has: NodeId, target: NodeId])[] = [
  ['its own organisation', 'org_a', 'org_a'],
  ['another organisation', 'org_a', 'org_b'],
  ['a team of its organisation', 'org_a', 'team_a2'],
  ['its own team', 'team_a1', 'team_a1'],
  ['another team', 'team_a1', 'team_a2'],
  ['the organisation above its team', 'team_a1', 'org_a'],
  ['the site', 'org_a', 'site'],
  ['any organisation, for a role at the site', 'site', 'org_b'],
  ['the site, for a role at the site', 'site', 'site'],
]

/** What the table of roles says, worked out apart from the code that is tested. */
const expectedOf = (
  role: Role,
  has: NodeId,
  path: readonly NodeId[],
  needs: readonly (Permission | undefined)[],
) => {
  const reaches = has === 'site' || path.includes(has)
  if (needs.every((one) => one === undefined)) return 'allowed'
  if (!reaches) return path.length === 0 ? 'forbidden' : 'not_here'
  return needs.every((one) => one === undefined || GRANTS[role].includes(one)) ? 'allowed' : 'forbidden'
}

const outcomeOf = async (act: Promise<unknown>): Promise<string> => {
  try {
    await act
    return 'allowed'
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return error.code
  }
}
/** Refused for what was asked and not for who asked. */
const PASSED = ['allowed', 'taken_here', 'invalid_request']

test('every operation says in this test where its permission counts', () => {
  expect(Object.keys(SAMPLES).toSorted()).toEqual(Object.keys(operations).toSorted())
})

test.each(Object.entries(operations))(
  '%s: each role may what its permissions say, wherever it asks',
  async (name, one) => {
    const found: string[] = []
    const wanted: string[] = []
    let done = 0
    for (const [words, has, target] of PLACES) {
      let world = await deskWorld({ operations })
      for (const role of ROLES) {
        const sample = await SAMPLES[name]?.({ target, world })
        if (!sample) continue
        const actor = actorOf([{ role, at: has }], sample.own ? 'operator:asks' : 'user_asks')
        const path = sample.at === 'site' ? [] : (await world.people.pathOf(sample.at))!
        const needs = sample.own ? [undefined] : [one.needs, ...(sample.also ?? [])]
        const outcome = await outcomeOf(world.desk.run(actor, name, inputFor(actor, sample)))
        if (outcome === 'allowed') done++
        // What was changed is not there for the next.
        if (outcome === 'allowed' && one.kind === 'write') world = await deskWorld({ operations })
        found.push(`${role}, ${words}: ${PASSED.includes(outcome) ? 'allowed' : outcome}`)
        wanted.push(`${role}, ${words}: ${expectedOf(role, has, path, needs)}`)
      }
    }
    expect(found).toEqual(wanted)
    // A sample that never comes to its end tests nothing.
    if (!OF_USERS.has(name)) expect(done).toBeGreaterThan(0)
  },
)

/** A token is made of what its maker has. */
const inputFor = (actor: Actor, { input }: Sample): unknown => {
  const wish = input as { grants?: unknown }
  return Array.isArray(wish.grants) ? { ...wish, grants: actor.grants } : input
}

test.each(Object.entries(operations))(
  '%s: what another organisation has is like what nobody has, to the byte',
  async (name) => {
    const owner = actorOf([{ role: 'owner', at: 'org_a' }], 'user_asks')
    const world = await deskWorld({ operations })
    const sample = await SAMPLES[name]?.({ target: 'org_b', world })
    if (!sample || sample.own || sample.at === 'site') return
    const bodyOf = async (input: unknown): Promise<string> => {
      const refused = await world.desk.run(owner, name, input).catch((error: Refusal) => error)
      expect(refused).toBeInstanceOf(Refusal)
      const { code, details, status } = refused as Refusal
      return JSON.stringify([status, errorBody(code, details)])
    }
    const theirs = JSON.stringify(sample.input)
    // The same ids, one letter away from what there is.
    const nobodys = theirs.replace(/\b(org_b|team_b1|user_b1|key_b1|apr_[\w-]{12})/g, '$1x')
    expect(nobodys).not.toBe(theirs)
    const told = await bodyOf(JSON.parse(theirs))
    expect(await bodyOf(JSON.parse(nobodys))).toBe(told)
    expect(JSON.parse(told)[0]).toBe(404)
  },
)

test('roles add up: what one does not allow another at the same place does', async () => {
  const { desk } = await deskWorld({ operations })
  const grants: Grant[] = [
    { role: 'developer', at: 'org_a' },
    { role: 'auditor', at: 'team_a1' },
  ]
  const actor = actorOf(grants)
  expect(await outcomeOf(desk.run(actor, 'audit.list', { at: 'team_a1' }))).toBe('allowed')
  expect(await outcomeOf(desk.run(actor, 'audit.list', { at: 'org_a' }))).toBe('forbidden')
  expect(await outcomeOf(desk.run(actor, 'key.create', { user: 'user_a1', name: 'New' }))).toBe('allowed')
})

test('whoever has no role sees nothing, and a role that is not known allows nothing', async () => {
  const world = await deskWorld({ operations })
  for (const [name, one] of Object.entries(operations)) {
    const sample = await SAMPLES[name]?.({ target: 'org_a', world })
    if (!sample || sample.own) continue
    const outcome = await outcomeOf(world.desk.run(actorOf([]), name, sample.input))
    expect([name, outcome]).toEqual([name, sample.at === 'site' ? 'forbidden' : 'not_here'])
    expect(one.summary.length).toBeGreaterThan(0)
  }
  await world.change('user_a1', {
    login: { name: 'x' },
    grants: [{ role: 'god', at: 'site' }],
  } as Partial<Node>)
  expect((await world.people.byId('user_a1'))?.grants).toEqual([])
})

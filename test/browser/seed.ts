/** A desk with people in it, as on a usual day. */
import { asking } from '../../src/accounts/approvals.ts'
import type { NodeView } from '../../src/desk/tree.ts'
import { KINDS, someCalls, writeRollups } from './figures.ts'
import { OWNER, type Site } from './site.ts'

const ORGS = [
  { name: 'Harbour Analytics', limit: '4000', teams: ['Research', 'Support assistant', 'Data platform'] },
  { name: 'Northwind Labs', limit: '1500', teams: ['Agents', 'Evaluation'] },
  { name: 'Kestrel Legal', limit: '900', teams: ['Contract review'] },
] as const
const PEOPLE = ['Ada Lindqvist', 'Bruno Okafor', 'Chen Wei', 'Divya Raman', 'Elif Demir', 'Farah Haddad']

export type Seeded = { orgs: string[]; paths: string[][]; keys: string[] }

/** Makes organisations, teams, users and keys by the desk itself, and what their calls came to in `days` days. */
export const seed = async (
  site: Site,
  { days = 60, many = 240, at = site.clock.now() } = {},
): Promise<Seeded> => {
  const run = async (name: string, input: object) =>
    (await site.desk.run(OWNER, name, input)) as { node: NodeView }
  const made: Seeded = { orgs: [], paths: [], keys: [] }
  let person = 0
  for (const org of ORGS) {
    const { id } = (await run('org.create', { name: org.name })).node
    made.orgs.push(id)
    await run('node.budgets', { id, budgets: [{ per: 'month', limit: org.limit }] })
    for (const [at, name] of org.teams.entries()) {
      const team = (await run('team.create', { org: id, name })).node
      await run('node.budgets', {
        id: team.id,
        budgets: [
          { per: 'month', limit: String(600 - at * 150) },
          ...(at === 0 ? [{ per: 'day', limit: '40' }] : []),
        ],
      })
      const who = PEOPLE[person++ % PEOPLE.length]!
      const user = (await run('user.create', { in: team.id, name: who })).node
      for (const key of ['production', 'staging'].slice(0, at === 0 ? 2 : 1)) {
        const { node } = await run('key.create', {
          user: user.id,
          name: `${name.toLowerCase().split(' ')[0]}-${key}`,
          budgets: [{ per: 'day', limit: '25' }],
        })
        made.keys.push(node.id)
        made.paths.push([...node.above, node.id])
      }
    }
  }
  await run('node.freeze', { id: made.keys.at(-1)!, frozen: true })
  await run('node.rules', {
    id: made.orgs[0]!,
    rules: { approveAbove: '0.50', models: KINDS.map(({ model }) => model) },
  })
  await askFor(site, made, undefined, at)
  const now = at
  await writeRollups(site.records, { now, days, paths: made.paths })
  site.calls.push(...someCalls({ now, many, paths: made.paths }))
  return made
}

/** One call that waits for somebody's yes. */
export const askFor = async (
  site: Site,
  { paths }: Pick<Seeded, 'paths'>,
  what = 'anthropic/claude-sonnet-4.5',
  at = site.clock.now(),
) => {
  const path = paths[0]!
  const { approval, writes } = asking(
    {
      kind: 'call',
      what,
      why: 'the call may cost $0.84, above $0.50 of the org "Harbour Analytics"',
      by: { user: path.at(-1)!, name: 'research-production' },
      at: path[0]!,
      path,
      ask: `${what} ${at}`,
      ceiling: '0.84',
    },
    at - 400_000,
    86_400_000,
  )
  await site.records.write(writes)
  return approval.id
}

/** What was used of budgets: some little, some nearly all, in the order in which they are looked at. */
export const someUse = (): ((budget: { id: string; limit: string }) => string) => {
  const shares = new Map<string, number>()
  return ({ id, limit }) => {
    const share = shares.get(id) ?? [0.46, 0.61, 0.87, 0.34, 0.52, 0.23, 0.7, 1, 0.12][shares.size % 9]!
    shares.set(id, share)
    return (Number(limit) * share).toFixed(2)
  }
}

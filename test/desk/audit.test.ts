import { expect, test } from 'vitest'
import { appending } from '../../src/accounts/audit.ts'
import type { Actor } from '../../src/accounts/roles.ts'
import { auditExport, auditVerify } from '../../src/cli/audit.ts'
import { actorOf, deskWorld, ROOT } from '../support/desk.ts'

type Listed = { rows: { seq: number; at: string; what: string }[]; next: number | null }

/** A log with rows of two organisations and of the site; row n is about place n. */
const PLACES: [at: string, path: string[]][] = [
  ['site', []],
  ['org_a', ['org_a']],
  ['team_a1', ['org_a', 'team_a1']],
  ['user_a1', ['org_a', 'team_a1', 'user_a1']],
  ['team_a2', ['org_a', 'team_a2']],
  ['org_b', ['org_b']],
  ['team_b1', ['org_b', 'team_b1']],
]
const worldOf = async () => {
  const world = await deskWorld()
  const tell = async ([at, path]: (typeof PLACES)[number], what: string, name = 'root') => {
    const actor = { user: 'operator:root', name, via: 'cli' }
    const entry = { time: world.clock.now(), actor, what, at, path, before: null, after: { note: 'x, "y"' } }
    await world.records.write(await appending(world.records, entry))
  }
  for (const place of PLACES) await tell(place, place[0] === 'site' ? 'org.create' : 'node.rename')
  const list = (actor: Actor, input: object) => world.desk.run(actor, 'audit.list', input) as Promise<Listed>
  return { ...world, tell, list }
}
const seqs = ({ rows }: Listed) => rows.map(({ seq }) => seq)

test('the site sees all, an organisation its own, a team what is about it or below it; the newest first', async () => {
  const { list } = await worldOf()
  expect(seqs(await list(ROOT, {}))).toEqual([7, 6, 5, 4, 3, 2, 1])
  const a = actorOf([{ role: 'auditor', at: 'org_a' }])
  expect(seqs(await list(a, { at: 'org_a' }))).toEqual([5, 4, 3, 2])
  expect(seqs(await list(a, { at: 'team_a1' }))).toEqual([4, 3])
  const team = actorOf([{ role: 'auditor', at: 'team_a1' }])
  expect(seqs(await list(team, { at: 'team_a1' }))).toEqual([4, 3])
  for (const at of ['org_a', 'team_a2', 'org_b'])
    await expect(list(team, { at })).rejects.toMatchObject({ code: 'not_here' })
  await expect(list(a, {})).rejects.toMatchObject({ code: 'forbidden' })
  await expect(list(actorOf([{ role: 'developer', at: 'org_a' }]), { at: 'org_a' })).rejects.toMatchObject({
    code: 'forbidden',
  })
})

test('it is read page by page, by number and by what was done', async () => {
  const { list, tell } = await worldOf()
  const first = await list(ROOT, { limit: 3 })
  expect([seqs(first), first.next]).toEqual([[7, 6, 5], 5])
  const second = await list(ROOT, { limit: 3, before: first.next })
  expect([seqs(second), second.next]).toEqual([[4, 3, 2], 2])
  expect(seqs(await list(ROOT, { after: 2, before: 6 }))).toEqual([5, 4, 3])
  await tell(PLACES[1]!, 'key.create')
  expect(seqs(await list(ROOT, { what: 'key.' }))).toEqual([8])
  expect(seqs(await list(ROOT, { what: 'org.create' }))).toEqual([1])
  expect(seqs(await list(ROOT, { what: 'org' }))).toEqual([])
})

test('few rows of a team among many of its organisation are found', async () => {
  const { list, tell } = await worldOf()
  for (let i = 0; i < 1_100; i++) await tell(PLACES[4]!, 'node.rename')
  const team = await list(actorOf([{ role: 'owner', at: 'team_a1' }]), { at: 'team_a1' })
  expect([seqs(team), team.next]).toEqual([[4, 3], null])
})

test('it is exported as a table that no spreadsheet runs, and as JSON lines', async () => {
  const { desk, tell } = await worldOf()
  for (const name of ['=1+1', '+1', '-1', '@x', '\t=1', ' =1']) await tell(PLACES[0]!, 'sign-in.failed', name)
  const file = (format: string) =>
    desk.run(ROOT, 'audit.export', { format, what: 'sign-in.failed' }) as Promise<{
      text: string
      file: string
    }>
  const { text, file: name } = await file('csv')
  expect(name).toBe('audit.csv')
  const lines = text.trimEnd().split('\r\n')
  expect(lines[0]).toBe('seq,time,actor,name,via,from,what,at,before,after,hash')
  expect(lines.slice(1).map((line) => line.split(',')[3])).toEqual([
    "'=1+1",
    "'+1",
    "'-1",
    "'@x",
    "'\t=1",
    "' =1",
  ])
  expect(lines[1]).toContain('"{""note"":""x, \\""y\\""""}"')
  const rows = (await file('jsonl')).text.trimEnd().split('\n')
  expect(rows.map((row) => JSON.parse(row).actor.name)).toEqual(['=1+1', '+1', '-1', '@x', '\t=1', ' =1'])
})

test('the command line verifies the log, finds what was altered, and exports it', async () => {
  const { records, desk } = await worldOf()
  const lines: string[] = []
  const out = (line: string) => lines.push(line)
  const told = async (act: Promise<number>) => [await act, lines.splice(0).join('\n')] as const
  const [code, text] = await told(auditVerify({ records, out, json: false }))
  expect([code, text.replace(/[0-9a-f]{16}…/, 'HASH…')]).toEqual([
    0,
    '7 rows, sealed by HASH…\nNone is missing, none was altered.',
  ])
  expect((await told(auditExport({ records, out, format: 'csv' })))[1].split('\n')).toHaveLength(8)
  const [, own] = await told(auditExport({ records, out, format: 'jsonl', org: 'org_b' }))
  expect(own.split('\n').map((line) => JSON.parse(line).seq)).toEqual([6, 7])
  await expect(auditExport({ records, out, format: 'xml' })).rejects.toThrow('csv or jsonl')
  const row = (await records.get<object>('audit', '000000000003'))!
  const value = { ...row.value, what: 'nothing' }
  await records.write([{ table: 'audit', id: row.id, value, keys: { org: 'org_a' } }])
  const [bad, found] = await told(auditVerify({ records, out, json: false }))
  expect([bad, found]).toEqual([1, expect.stringContaining('✗ row 000000000003: it was altered')])
  expect((await told(auditVerify({ records, out, json: true })))[1]).toContain('"holds":false')
  expect(await desk.run(ROOT, 'audit.verify', {})).toMatchObject({ problems: [expect.any(String)] })
  await expect(desk.run(actorOf([{ role: 'owner', at: 'org_a' }]), 'audit.verify', {})).rejects.toMatchObject(
    {
      code: 'forbidden',
    },
  )
})

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { GRANTS, PERMISSIONS, ROLES } from '../../src/accounts/roles.ts'
import { LIVE, namesOf } from '../../src/cli/desk-table.ts'

const docs = readFileSync(new URL('../../docs/organisations.md', import.meta.url), 'utf8')
const operations = Object.entries(namesOf())

/** The table of roles, as the code has it. */
const roles = (): string => {
  const row = (cells: readonly string[]) => `|${cells.map((cell) => (cell ? ` ${cell} ` : ' ')).join('|')}|\n`
  const body = PERMISSIONS.map((permission) => {
    const needing = operations.filter(([, { needs }]) => needs === permission).map(([name]) => `\`${name}\``)
    return row([
      `\`${permission}\``,
      needing.join(', '),
      ...ROLES.map((role) => (GRANTS[role].includes(permission) ? 'yes' : '')),
    ])
  })
  return `${row(['permission', 'operations', ...ROLES])}|${'---|'.repeat(ROLES.length + 2)}\n${body.join('')}`
}

test('the paper on organisations says of the roles what the code says', () => {
  const [, after = ''] = docs.split('<!-- roles:begin -->\n')
  expect(after.split('<!-- roles:end -->')[0]).toBe(roles())
})

test('and of what everybody may do for itself, and of what only a running router knows', () => {
  const own = operations.filter(([, { needs }]) => needs === undefined).map(([name]) => name)
  for (const name of own)
    expect(docs).toMatch(new RegExp(`\`${name.replace('.', '\\.')}\`|\`${name.split('.')[0]}\\.\\*\``))
  for (const name of LIVE) expect(docs).toContain(`\`${name}\``)
})

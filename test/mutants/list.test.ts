import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutants } from './list.ts'

const root = join(import.meta.dirname, '..', '..')

test('there are twenty mutants and more, each with a name of its own', () => {
  expect(mutants.length).toBeGreaterThanOrEqual(20)
  expect(new Set(mutants.map((one) => one.name)).size).toBe(mutants.length)
})

test.each(mutants)('the mutant “$name” still has its place in the code, and its tests', (mutant) => {
  const text = readFileSync(join(root, mutant.file), 'utf8')
  expect(text.split(mutant.find)).toHaveLength(2)
  for (const file of mutant.tests) expect(existsSync(join(root, file)), file).toBe(true)
})

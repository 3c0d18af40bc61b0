import { expect, test } from 'vitest'
import { runNode } from './support/run.ts'

test('the README says of the configuration and the client what the code says', async () => {
  const { code, output } = await runNode(['tools/readme.mjs', '--check'])
  expect(output).toBe('')
  expect(code).toBe(0)
})

import { expect, test } from 'vitest'
import { runNode } from '../support/run.ts'

test('a newcomer who runs the demo sees an agent pay for two calls and not for the third', async () => {
  const { code, output } = await runNode(['bin/farebox.js', 'demo'], { OPENAI_API_KEY: '' })
  expect(output).toContain('402 Payment Required: at most $')
  expect(output).toContain('signed an EIP-3009 authorization of $')
  expect(output).toContain('first token after')
  expect(output.match(/receipt signed by .* verified offline/g)).toHaveLength(2)
  expect(output).toContain('502 upstream_failed')
  expect(output).toContain('they agree to the last unit')
  expect(code).toBe(0)
}, 120_000)

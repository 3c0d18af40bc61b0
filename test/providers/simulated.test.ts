import { expect, test } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { UpstreamError } from '../../src/providers/provider.ts'
import { simulatedProvider } from '../../src/providers/simulated.ts'
import { forwardBody } from '../../src/wire/openai.ts'
import { orderOf } from '../support/models.ts'
import { askOf, readOf } from './reading.ts'

const start = () => {
  const slept: number[] = []
  const clock: Clock = { now: () => 1_700_000_000_000, sleep: async (ms) => void slept.push(ms) }
  return { slept, provider: simulatedProvider({ id: 'sim', clock, firstTokenMs: 250, tokenMs: 25 }) }
}
const ask = (
  more: Record<string, unknown> = {},
  facts: { model?: string; maxOutput?: number; signal?: AbortSignal } = {},
) => ({
  body: forwardBody(orderOf(more).request),
  model: 'any',
  maxOutput: 100,
  signal: new AbortController().signal,
  ...facts,
})

test('it answers in OpenAI’s form, with usage that adds up', async () => {
  const answer = await start().provider.ask(ask())
  if (answer.kind !== 'json') throw new Error('not JSON')
  expect(JSON.parse(answer.text)).toEqual(answer.body)
  expect(answer.body).toMatchObject({
    model: 'any',
    choices: [{ finish_reason: 'stop', message: { role: 'assistant' } }],
  })
  const usage = answer.body.usage as Record<string, number>
  expect(usage['total_tokens']).toBe(usage['prompt_tokens']! + usage['completion_tokens']!)
})

test('it streams a word at a time at its pace, and stops where it is told to', async () => {
  const { provider, slept } = start()
  const answer = await provider.ask(ask({ stream: true }, { maxOutput: 5 }))
  if (answer.kind !== 'stream') throw new Error('not a stream')
  const events: string[] = []
  for await (const batch of answer.events) events.push(...batch)
  expect(events.at(-1)).toBe('[DONE]')
  const parts = events
    .slice(0, -1)
    .map(
      (data) =>
        JSON.parse(data) as { choices: { delta: { content?: string }; finish_reason: string | null }[] },
    )
  expect(parts.map((part) => part.choices[0]?.delta.content ?? '').join('')).toBe('A farebox is the small ')
  expect(parts.at(-2)!.choices[0]!.finish_reason).toBe('length')
  expect(parts.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } })
  expect(slept).toEqual([250, 25, 25, 25, 25, 25])
})

test('its model named broken fails, and whoever left is not answered', async () => {
  const { provider } = start()
  await expect(provider.ask(ask({}, { model: 'broken' }))).rejects.toBeInstanceOf(UpstreamError)
  await expect(provider.ask(ask({}, { signal: AbortSignal.abort() }))).rejects.toThrow()
})

test('it is read and billed as every other provider is', async () => {
  const { provider } = start()
  for (const stream of [false, true]) {
    const found = await readOf(provider, askOf({ stream }, { maxOutput: 100 }))
    expect(found).toMatchObject({ finish: 'stop', roles: ['assistant'], choices: 1, done: stream })
    expect(found.metered.source).toBe('reported')
    expect(found.text).toMatch(/^A farebox is/)
    expect((await readOf(provider, askOf({ stream }, { maxOutput: 3 }))).finish).toBe('length')
  }
  expect(provider.lacks('any').size).toBe(0)
})

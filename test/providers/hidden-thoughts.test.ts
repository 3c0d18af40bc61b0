import { expect, test } from 'vitest'
import { createMeter } from '../../src/call/meter.ts'
import { answerOf } from '../../src/providers/anthropic/answer.ts'
import { chunksOf } from '../../src/providers/anthropic/stream.ts'
import { pingsAreSilence } from '../../src/providers/anthropic.ts'
import { mended, mendFor } from '../../src/providers/openai-answer.ts'
import type { WireAnswer } from '../../src/wire/openai.ts'
import { SSE_DONE } from '../../src/wire/sse.ts'

const telling = (hide: boolean) => ({ created: 1, format: 'anthropic-claude-v1', hide })

const billed = (...parts: WireAnswer[]): number => {
  const meter = createMeter({ input: 10, maxOutput: 10_000, choices: 1 })
  for (const part of parts) meter.see(part)
  return meter.usage().output
}

const gathered = async (events: AsyncIterable<readonly string[]>): Promise<WireAnswer[]> => {
  const all: string[] = []
  for await (const batch of events) all.push(...batch)
  return all.filter((data) => data !== SSE_DONE).map((data) => JSON.parse(data) as WireAnswer)
}

async function* streamOf(parts: object[]): AsyncGenerator<readonly string[]> {
  yield parts.map((part) => JSON.stringify(part))
}

const usage = { input_tokens: 10, output_tokens: 3_000 }
const thoughts = {
  'a summary': { type: 'thinking', thinking: 'In short.', signature: 'signed' },
  nothing: { type: 'redacted_thinking', data: 'locked' },
}

test.each(Object.entries(thoughts))(
  'of long thoughts %s is shown, and all of them are billed as reported',
  async (_, block) => {
    for (const hide of [false, true]) {
      const content = [block, { type: 'text', text: 'Yes.' }]
      expect(billed(answerOf({ content, stop_reason: 'end_turn', usage }, telling(hide)))).toBe(3_000)
      const events = streamOf([
        { type: 'message_start', message: { usage: { input_tokens: 10, output_tokens: 1 } } },
        { type: 'content_block_start', index: 0, content_block: block },
        { type: 'content_block_stop', index: 0 },
        { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Yes.' } },
        { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage },
        { type: 'message_stop' },
      ])
      expect(billed(...(await gathered(chunksOf(events, telling(hide)))))).toBe(3_000)
    }
  },
)

test('an answer without thoughts that claims more tokens than it has bytes is still not believed', () => {
  const content = [{ type: 'text', text: 'Yes.' }]
  expect(billed(answerOf({ content, stop_reason: 'end_turn', usage }, telling(false)))).toBeLessThan(5)
})

const thought = 'because of this and that '.repeat(600)
const counted = { prompt_tokens: 10, completion_tokens: 3_000 }

test('reasoning that its caller does not want to see is paid for all the same', async () => {
  const whole = {
    choices: [{ index: 0, message: { content: 'Yes.', reasoning_content: thought }, finish_reason: 'stop' }],
    usage: { ...counted },
  }
  expect(mendFor({}, true)!.mend(whole as WireAnswer)).toBe(true)
  expect(JSON.stringify(whole)).not.toContain('because')
  expect(billed(whole as WireAnswer)).toBe(3_000)

  const parts = [
    { choices: [{ index: 0, delta: { reasoning: thought } }] },
    { choices: [{ index: 0, delta: { content: 'Yes.' }, finish_reason: 'stop' }] },
    { choices: [], usage: counted },
  ]
  const chunks = await gathered(mended(streamOf(parts), mendFor({}, true)!))
  expect(JSON.stringify(chunks)).not.toContain('because')
  expect(billed(...chunks)).toBe(3_000)
})

test('who did not reason is not believed to have', async () => {
  const parts = [
    { choices: [{ index: 0, delta: { content: 'Yes.' }, finish_reason: 'stop' }] },
    { choices: [], usage: counted },
  ]
  expect(billed(...(await gathered(mended(streamOf(parts), mendFor({}, true)!))))).toBeLessThan(5)
})

test('a host that says it thinks and then only pings is believed for ten minutes, not for ever', () => {
  let now = 0
  const isSilence = pingsAreSilence({ now: () => now })()
  const ping = '{"type": "ping"}'
  expect(isSilence(ping)).toBe(true)
  expect(isSilence('{"type": "content_block_start", "content_block": {"type": "thinking"}}')).toBe(false)
  now = 600_000
  expect(isSilence(ping)).toBe(false)
  now = 600_001
  expect(isSilence(ping)).toBe(true)
})

import { expect, test } from 'vitest'
import { everyHost } from '../../bench/routing/plan-world.ts'
import { inputTokens, measure } from '../../src/quote/estimate.ts'
import { orderOf } from '../support/models.ts'

const { catalog } = everyHost()

const image = (detail: string) =>
  orderOf({
    messages: [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a/b.png', detail } }] },
    ],
  })

test('an image at low detail is cheaper only where the host looks less closely: others bill it in full', () => {
  const most = (id: string, detail: string) =>
    inputTokens(measure(image(detail)), catalog.find(id)!, 1).ceiling
  for (const id of ['anthropic/claude-sonnet-4.5', 'google/gemini-2.5-flash'])
    expect(most(id, 'low')).toBe(most(id, 'high'))
  expect(most('openai/gpt-4.1', 'low')).toBeLessThan(most('openai/gpt-4.1', 'high'))
})

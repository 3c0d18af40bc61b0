/** What Anthropic's door has beside the answers themselves: how many tokens a request holds, and errors as its SDK reads them. */
import { z } from 'zod'
import type { Reply } from '../call/reply.ts'
import { inputTokens, measure } from '../quote/estimate.ts'
import { countTokensSchema } from '../wire/anthropic.ts'
import { chatOf } from '../wire/messages/request.ts'
import { MESSAGES_PATH, messagesDoor } from '../wire/messages-door.ts'
import { chatOrder } from '../wire/order.ts'
import { readBody } from './body.ts'
import type { Resource, ResourceFacts } from './resources.ts'
import { json } from './send.ts'

const counted = z.object({ input_tokens: z.int() })

/** Free: what we expect a request to hold, which is what its quote is made of; a host may count a little otherwise. */
export const countTokens = ({ deps, catalog, bodyLimit }: ResourceFacts): Resource => ({
  method: 'post',
  path: `${MESSAGES_PATH}/count_tokens`,
  summary: 'About how many input tokens a request to /v1/messages holds. Nothing is asked of any host.',
  paid: false,
  body: countTokensSchema,
  answers: { 200: counted },
  answer: async (c) => {
    const order = chatOrder(chatOf(await readBody(c, countTokensSchema, bodyLimit)), messagesDoor)
    const model = catalog.find(order.request.model)
    const input = model
      ? inputTokens(measure(order), model, deps.learner.factor(model.id))
      : deps.quoter.quote(order).input
    return json({ input_tokens: input.expected } satisfies z.infer<typeof counted>)
  },
})

/** The same refusal as at any other door; on these paths it says `type: "error"` too, which is how theirs begin. */
export const inTheirForm = (path: string, reply: Reply): Reply => {
  const { status, body } = reply
  if (status < 400 || !path.startsWith(MESSAGES_PATH) || typeof body !== 'string' || body[0] !== '{')
    return reply
  return { ...reply, body: `{"type":"error",${body.slice(1)}` }
}

import type { Door } from './door.ts'
import { type ChatOrder, chatOrder } from './order.ts'
import { streamOf, wholeOf } from './responses/stream.ts'
import { toChat } from './responses/to-chat.ts'
import type { ResponsesRequest } from './responses.ts'

export const RESPONSES_PATH = '/v1/responses'

/** OpenAI's responses, without any state: all that an answer leans on comes with the request. */
export const responsesDoor = (request: ResponsesRequest): Door => ({
  name: 'responses',
  path: RESPONSES_PATH,
  answer: (_text, body, about) => JSON.stringify(wholeOf(request, about, body)),
  stream: (about) => streamOf(request, about),
})

/** The order that a Responses request makes. */
export const responsesOrder = (request: ResponsesRequest): ChatOrder =>
  chatOrder(toChat(request), responsesDoor(request))

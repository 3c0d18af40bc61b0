/** All doors in one table: what each takes, and the order that it makes of it. */
import type { z } from 'zod'
import { messagesRequestSchema } from './anthropic.ts'
import { CHAT_PATH } from './chat-door.ts'
import { EMBEDDINGS_PATH, embeddingsRequestSchema } from './embeddings.ts'
import { MESSAGES_PATH, messagesOrder } from './messages-door.ts'
import { chatRequestSchema } from './openai.ts'
import { chatOrder, embeddingsOrder, type Order } from './order.ts'
import { responsesRequestSchema } from './responses.ts'
import { RESPONSES_PATH, responsesOrder } from './responses-door.ts'

export type DoorWay = {
  path: string
  summary: string
  schema: z.ZodType
  /** The order that a body makes, or what is wrong with it. */
  safeParse: (body: unknown) => z.ZodSafeParseResult<Order>
}

/** For a parser: one mistake is told, and to look for the others would cost more than to answer. */
export const FIRST_MISTAKE: object = { abortEarly: true }

const way = <R>(
  path: string,
  summary: string,
  schema: z.ZodType<R>,
  make: (request: R) => Order,
): DoorWay => ({
  path,
  summary,
  schema,
  safeParse: (body) => {
    const parsed = schema.safeParse(body, FIRST_MISTAKE)
    if (parsed.success) return { success: true, data: make(parsed.data) }
    return { success: false, error: parsed.error as z.ZodError<Order> }
  },
})

export const DOORS: readonly DoorWay[] = [
  way(CHAT_PATH, 'A chat completion, JSON or streamed', chatRequestSchema, (request) => chatOrder(request)),
  way(MESSAGES_PATH, "A message in Anthropic's form, JSON or streamed", messagesRequestSchema, messagesOrder),
  way(
    RESPONSES_PATH,
    'A response, JSON or streamed, of which nothing is kept',
    responsesRequestSchema,
    responsesOrder,
  ),
  way(EMBEDDINGS_PATH, 'Embeddings of texts', embeddingsRequestSchema, embeddingsOrder),
]

/** A request header that says how hosts and models are to be chosen, for clients that cannot say it in the body. */
export const STRATEGY_HEADER = 'X-Farebox-Strategy'

/** The same body with the strategy of the header, unless it names one itself. */
export const withStrategy = (body: unknown, strategy: string | null | undefined): unknown =>
  strategy && typeof body === 'object' && body !== null && !Array.isArray(body) ? { strategy, ...body } : body

/** What a request to a path of a router asks for; undefined where the path is no door or the body not one of its. */
export const orderAt = (pathname: string, body: unknown): Order | undefined =>
  DOORS.find(({ path }) => pathname.endsWith(path))?.safeParse(body).data

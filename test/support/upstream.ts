import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the scripted provider saw: the request as it came, and how far its answer got. */
export type Seen = {
  /** Path and query. */
  url: string
  body: Record<string, unknown>
  headers: IncomingMessage['headers']
  closedEarly: boolean
  at: number
  closedAt?: number
}

/** Answers one request; `write` sends an SSE `data` event. */
export type Script = (ask: {
  body: Record<string, unknown>
  response: ServerResponse
  write: (data: unknown) => void
  attempt: number
}) => void | Promise<void>

export type Upstream = {
  /** Base URL ending in /v1. */
  url: string
  seen: Seen[]
  /** Replaces what the provider does from now on. */
  script: (next: Script) => void
  close: () => Promise<void>
}

export const chunk = (delta: object, finish: string | null = null) => ({
  id: 'chatcmpl-test',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'upstream-model',
  choices: [{ index: 0, delta, finish_reason: finish }],
})

/** A good answer: JSON or SSE as asked, "Hello there" in two tokens, usage 10 in and 2 out. */
export const goodAnswer: Script = ({ body, response, write }) => {
  const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 }
  if (body['stream']) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ role: 'assistant', content: '' }))
    write(chunk({ content: 'Hello' }))
    write(chunk({ content: ' there' }))
    write(chunk({}, 'stop'))
    write({ ...chunk({}), choices: [], usage })
    response.end('data: [DONE]\n\n')
    return
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({
      id: 'chatcmpl-test',
      object: 'chat.completion',
      created: 1,
      model: 'upstream-model',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
      usage,
    }),
  )
}

/** A real HTTP server that speaks OpenAI's chat API as scripted, on loopback. */
export const startUpstream = async (): Promise<Upstream> => {
  let script: Script = goodAnswer
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>
    const entry: Seen = {
      url: request.url!,
      body,
      headers: request.headers,
      closedEarly: false,
      at: Date.now(),
    }
    seen.push(entry)
    response.on('close', () => {
      entry.closedEarly = !response.writableFinished
      entry.closedAt = Date.now()
    })
    const write = (data: unknown) => void response.write(`data: ${JSON.stringify(data)}\n\n`)
    await script({ body, response, write, attempt: seen.length })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    script: (next) => {
      script = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The mock provider that every contestant calls: raw node:http, 1 KB of JSON with usage, or 23 SSE chunks with usage. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { serveParent } from './answer.ts'

const PACE_MS = 4
/** A slower answer, as a fast model gives it. */
const SLOW_MS = 50
const usage = { prompt_tokens: 230, completion_tokens: 200, total_tokens: 430 }
const words = 'The quick brown fox jumps over the lazy dog, and the dog sleeps on. '
const about = { id: 'chatcmpl-bench', created: 1, model: 'mock' }

const json = JSON.stringify({
  ...about,
  object: 'chat.completion',
  choices: [
    { index: 0, message: { role: 'assistant', content: words.repeat(12).trim() }, finish_reason: 'stop' },
  ],
  usage,
})
const event = (fields: object) =>
  `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', ...fields })}\n\n`
const delta = (content: object, finish: string | null = null) =>
  event({ choices: [{ index: 0, delta: content, finish_reason: finish }] })
// The first event carries content, so that a router that waits for content loses nothing by it.
const chunks = [
  delta({ role: 'assistant', content: words.slice(0, 45) }),
  ...Array.from({ length: 21 }, () => delta({ content: words.slice(0, 45) })),
  delta({}, 'stop'),
]
const tail = `${event({ choices: [], usage })}data: [DONE]\n\n`

let calls = 0

const server = createServer((request, response) => {
  calls++
  let body = ''
  request.setEncoding('latin1')
  request.on('data', (text: string) => {
    body += text
  })
  request.on('end', () => {
    if (!body.includes('"stream":true')) {
      if (body.includes('"mock-slow"')) setTimeout(whole, SLOW_MS, response)
      else whole(response)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    void stream(response, body.includes('"mock-paced"') ? PACE_MS : 0)
  })
})

const whole = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
  response.end(json)
}

const stream = async (response: ServerResponse, paceMs: number): Promise<void> => {
  for (const [i, chunk] of chunks.entries()) {
    if (i > 0) await (paceMs > 0 ? sleep(paceMs) : new Promise(setImmediate))
    response.write(chunk)
  }
  response.end(tail)
}

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serveParent(`http://127.0.0.1:${port}`, { calls: () => calls })
})

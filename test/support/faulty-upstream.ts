import { type Script, startUpstream, type Upstream } from './upstream.ts'

/** What every healthy host says, in sixty tokens. */
export const CANON = Array.from({ length: 60 }, (_, i) => `word${i}`).join(' ')
export const USAGE = { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 }

type Ask = Parameters<Script>[0]

const WORDS = CANON.match(/\S+\s*/g)!
const part = ({ body }: Ask, delta: object, finish: string | null = null) => ({
  id: 'chatcmpl-faulty',
  object: 'chat.completion.chunk',
  created: 1,
  model: body['model'],
  choices: [{ index: 0, delta, finish_reason: finish }],
})

/** Begins a stream: its head, the role and so many tokens, a few ms apart. */
const begin = async (ask: Ask, tokens: number): Promise<void> => {
  ask.response.writeHead(200, { 'content-type': 'text/event-stream' })
  ask.write(part(ask, { role: 'assistant', content: '' }))
  await say(ask, 0, tokens)
}
const say = async (ask: Ask, from: number, to: number): Promise<void> => {
  for (let i = from; i < to; i++) {
    ask.write(part(ask, { content: WORDS[i] }))
    if (i % 10 === 9) await pause(2)
  }
}
const finish = (ask: Ask, done = true): void => {
  ask.write(part(ask, {}, 'stop'))
  ask.write({ ...part(ask, {}), choices: [], usage: USAGE })
  ask.response.end(done ? 'data: [DONE]\n\n' : '')
}
const whole = ({ body, response }: Ask): void => {
  const message = { role: 'assistant', content: CANON }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({
      id: 'chatcmpl-faulty',
      object: 'chat.completion',
      created: 1,
      model: body['model'],
      choices,
      usage: USAGE,
    }),
  )
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Sixty tokens and how many they were, as JSON or as a stream. */
export const healthy: Script = async (ask) => {
  if (!ask.body['stream']) return whole(ask)
  await begin(ask, WORDS.length)
  finish(ask)
}

export const refusing =
  (status: number, error: object = { message: 'no' }, headers: Record<string, string> = {}): Script =>
  ({ response }) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ error }))
  }

/** The first request meets the fault, all later ones do not. */
export const once = (fault: Script): Script => {
  let asked = 0
  return (ask) => (asked++ === 0 ? fault(ask) : healthy(ask))
}

/** The fault until so long after it is first met, ms. */
export const forMs = (ms: number, fault: Script): Script => {
  let since: number | undefined
  return (ask) => {
    since ??= Date.now()
    return Date.now() - since < ms ? fault(ask) : healthy(ask)
  }
}

export const reset: Script = ({ response }) => void response.socket?.resetAndDestroy()
export const silence: Script = () => {}

/** The head at once, the first token after so long. */
export const slowFirst =
  (ms: number): Script =>
  async (ask) => {
    if (!ask.body['stream']) {
      await pause(ms)
      return healthy(ask)
    }
    ask.response.writeHead(200, { 'content-type': 'text/event-stream' })
    ask.response.flushHeaders()
    await pause(ms)
    if (ask.response.destroyed) return
    ask.write(part(ask, { role: 'assistant', content: '' }))
    await say(ask, 0, WORDS.length)
    finish(ask)
  }

/** So many tokens, then the connection breaks; an answer in one piece breaks in its middle. */
export const cutAfter =
  (tokens: number): Script =>
  async (ask) => {
    if (ask.body['stream']) await begin(ask, tokens)
    else {
      ask.response.writeHead(200, { 'content-type': 'application/json', 'content-length': '4000' })
      ask.response.write('{"choices":[{"index":0,"message":{"role":"assistant","content":"word0 wo')
    }
    await pause(5)
    ask.response.socket?.resetAndDestroy()
  }

/** So many tokens, and then the end, as if that had been all. */
export const endAfter =
  (tokens: number): Script =>
  async (ask) => {
    await begin(ask, tokens)
    ask.response.end()
  }

/** So many tokens, then nothing for so long, then the end of the connection. */
export const stallAfter =
  (tokens: number, ms: number): Script =>
  async (ask) => {
    if (ask.body['stream']) await begin(ask, tokens)
    await pause(ms)
    ask.response.destroy()
  }

/** All is well, but for one event that is no JSON. */
export const malformedAt =
  (token: number): Script =>
  async (ask) => {
    if (!ask.body['stream']) {
      ask.response.writeHead(200, { 'content-type': 'application/json' })
      return void ask.response.end('{"choices":[{"index":0,"message":{"role":')
    }
    await begin(ask, token)
    ask.response.write('data: {"id":"chatcmpl-faulty","choices":[{"index":0,"del\n\n')
    await say(ask, token, WORDS.length)
    finish(ask)
  }

export const withoutDone: Script = async (ask) => {
  if (!ask.body['stream']) return whole(ask)
  await begin(ask, WORDS.length)
  finish(ask, false)
}

/** Takes no request whose last message is the assistant's. */
export const withoutPrefill: Script = (ask) => {
  const messages = ask.body['messages'] as { role: string }[]
  return messages.at(-1)?.role === 'assistant' ? PREFILL_REFUSED(ask) : healthy(ask)
}
const PREFILL_REFUSED = refusing(400, {
  message:
    'This model does not support assistant message prefill. The conversation must end with a user message.',
  type: 'invalid_request_error',
})

/** Three hosts on real sockets: of the model that is asked for, of the same model elsewhere, and of another model. */
export type Wall = { primary: Upstream; twin: Upstream; fallback: Upstream; close: () => Promise<void> }

export const startWall = async (): Promise<Wall> => {
  const [primary, twin, fallback] = await Promise.all([startUpstream(), startUpstream(), startUpstream()])
  for (const host of [primary, twin, fallback]) host.script(healthy)
  return {
    primary,
    twin,
    fallback,
    close: async () => {
      await Promise.all([primary.close(), twin.close(), fallback.close()])
    },
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { chunk, type Script, startUpstream } from '../support/upstream.ts'
import type { Asked } from './oracle.ts'

/** How the provider behaves: well, with 500s, without an answer, or breaking off in the middle. */
export type Mood = 'well' | 'failing' | 'hanging' | 'cutting'

/** A provider that notes which call each request was for: the tag in its prompt, which it gives back in its answer. */
export type TaggedUpstream = {
  /** Its base URL as one instance knows it. */
  url: (instance: number) => string
  asked: Asked[]
  be: (mood: Mood) => void
  /** It waits so long before it answers, ms. */
  pace: (ms: number) => void
  close: () => Promise<void>
}

/** What each whole answer costs at the catalog's prices, units: ten tokens in at $1 and two out at $2 a million. */
export const PRICE = 14n

const USAGE = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 }
const PACE_MS = 15

export const tagIn = (text: string): string => /tag-[\w-]+/.exec(text)?.[0] ?? ''

export const startTaggedUpstream = async (): Promise<TaggedUpstream> => {
  const upstream = await startUpstream()
  const asked: Asked[] = []
  let mood: Mood = 'well'
  let wait = PACE_MS
  const script: Script = async ({ body, response, write }) => {
    const tag = tagIn(JSON.stringify(body['messages']))
    const by = Number(/^\/i(\d+)\//.exec(response.req.url ?? '')?.[1] ?? 0)
    const at = Date.now()
    const entry: Asked = { tag, by, at, ended: at, outcome: 'failed' }
    asked.push(entry)
    // Bodies are as many as calls, and nobody reads them here.
    upstream.seen.length = 0
    let begun = false
    response.on('close', () => {
      entry.ended = Date.now()
      if (response.statusCode !== 200) return
      if (response.writableFinished) entry.outcome = 'whole'
      else if (begun) entry.outcome = 'cut'
    })
    await sleep(wait)
    if (mood === 'hanging') return
    if (mood === 'failing') {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end('{"error":{"message":"out of order"}}')
      return
    }
    const content = `Hello ${tag}`
    if (!body['stream']) {
      const message = { role: 'assistant', content }
      const text = JSON.stringify({
        ...chunk({}),
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage: USAGE,
      })
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length })
      if (mood !== 'cutting') return void response.end(text)
      response.write(text.slice(0, 20))
      await sleep(PACE_MS)
      response.destroy()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    write(chunk({ role: 'assistant', content: '' }))
    for (const part of content.split(' ')) {
      write(chunk({ content: `${part} ` }))
      begun = true
      await sleep(PACE_MS)
      if (mood === 'cutting') return void response.destroy()
    }
    write(chunk({}, 'stop'))
    write({ ...chunk({}), choices: [], usage: USAGE })
    response.end('data: [DONE]\n\n')
  }
  upstream.script(script)
  return {
    url: (instance) => upstream.url.replace('/v1', `/i${instance}/v1`),
    asked,
    be: (next) => {
      mood = next
    },
    pace: (ms) => {
      wait = ms
    },
    close: upstream.close,
  }
}

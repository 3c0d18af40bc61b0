/** What every provider promises, whatever it speaks inside: tested against wire fixtures on a real socket. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openEvents } from '../../src/call/events.ts'
import { createMeter } from '../../src/call/meter.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { chatDoor } from '../../src/wire/chat-door.ts'
import { type Script, startUpstream, type Upstream } from '../support/upstream.ts'
import { askOf, faultOf, fixture, type Read, readOf, says } from './reading.ts'

export type Limits = { firstByteMs: number; idleMs: number }
type Calls = { billed: Expected['billed']; calls: { name: string; arguments: unknown }[] }
type Thoughts = Expected & { reasoning: string }
type Expected = { text: string; billed: { input: number; cached: number; output: number } }

export type Adapter = {
  name: string
  open: (url: string, limits: Limits) => Provider
  /** Its name there; it sees, thinks, calls and writes JSON. */
  model: string
  /** What its fixtures say: text, tools, thinking and cache, in `fixtures/<name>/`. */
  says: {
    text: Expected
    stream: Expected
    tools: Calls
    thinking: Thoughts
    /** Where the stream is of another answer. */
    toolsStream?: Calls
    thinkingStream?: Thoughts
    cache: Expected['billed']
  }
  /** Its own words for how an answer ended, and ours. */
  finishes: readonly (readonly [native: string, ours: string])[]
  /** A short answer in one piece that ended so. */
  ended: (native: string) => unknown
  /** An event of a stream that says a word. */
  word: (text: string) => string
  /** Its refusals as it documents them. */
  faults: readonly (readonly [status: number, fault: string, body: unknown])[]
  /** What of its thoughts must come back with the next question. */
  keepsake?: string
}

const PNG = 'iVBORw0KGgoAAAANSUhEUg=='
const WEATHER = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}

export const describeProvider = (adapter: Adapter): void => {
  describe(adapter.name, () => {
    let upstream: Upstream
    let opened: Provider[] = []
    beforeEach(async () => {
      upstream = await startUpstream()
    })
    afterEach(async () => {
      await Promise.all(opened.map((one) => one.close()))
      opened = []
      await upstream.close()
    })

    const open = (limits: Limits = { firstByteMs: 5_000, idleMs: 5_000 }): Provider => {
      const provider = adapter.open(upstream.url, limits)
      opened.push(provider)
      return provider
    }
    const ask = (more: Record<string, unknown> = {}, signal = new AbortController().signal) =>
      askOf(more, { model: adapter.model, maxOutput: 4_000, signal })
    const recorded = (name: string, more: Record<string, unknown> = {}): Promise<Read> => {
      upstream.script(says(`${adapter.name}/${name}`))
      return readOf(open(), ask({ stream: name.endsWith('.sse'), ...more }))
    }
    /** A stream on its way to a caller, as calls have it. */
    const begin = async (script: Script, limits?: Limits) => {
      upstream.script(script)
      const controller = new AbortController()
      const answer = await open(limits).ask(ask({ stream: true }, controller.signal))
      if (answer.kind !== 'stream') throw new Error('not a stream')
      const meter = createMeter({ input: 10, maxOutput: 1_000, choices: 1 })
      const about = { id: 'call_1', model: 'ours', created: 1 }
      const events = await openEvents(answer.events, meter, chatDoor({}).stream(about))
      const rest = async (): Promise<string> => {
        let text = ''
        for (let piece = await events.next(); piece !== undefined; piece = await events.next()) text += piece
        return text
      }
      return { controller, rest }
    }
    const streaming =
      (...pieces: string[]): Script =>
      ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        for (const piece of pieces) response.write(piece)
      }

    test.each(['text.json', 'text.sse'])('says what the model said, ended and counted (%s)', async (name) => {
      const { text, billed } = name.endsWith('.sse') ? adapter.says.stream : adapter.says.text
      const found = await recorded(name)
      expect(found).toMatchObject({ text, finish: 'stop', choices: 1 })
      expect(found.metered).toMatchObject({ ...billed, source: 'reported' })
      expect(found.done).toBe(name.endsWith('.sse'))
      expect(found.roles).toEqual(['assistant'])
    })

    test.each(['tools.json', 'tools.sse'])('makes calls side by side (%s)', async (name) => {
      const { tools, finish, usage } = await recorded(name, { tools: [WEATHER] })
      const { says } = adapter
      const { calls, billed } = (name === 'tools.sse' && says.toolsStream) || says.tools
      expect(tools.map((one) => ({ name: one.name, arguments: JSON.parse(one.arguments) }))).toEqual(calls)
      expect(new Set(tools.map(({ id }) => id)).size).toBe(calls.length)
      expect(finish).toBe('tool_calls')
      expect(usage).toMatchObject({ prompt_tokens: billed.input, completion_tokens: billed.output })
    })

    test('is given back what the calls gave', async () => {
      const call = (id: string, city: string) => ({
        id,
        type: 'function',
        function: { name: 'weather', arguments: JSON.stringify({ city }) },
      })
      await recorded('text.json', {
        tools: [WEATHER],
        messages: [
          { role: 'user', content: 'Where is it warm?' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [call('call_1', 'Paris'), call('call_2', 'London')],
          },
          { role: 'tool', tool_call_id: 'call_1', content: '21 degrees' },
          { role: 'tool', tool_call_id: 'call_2', content: '12 degrees' },
        ],
      })
      const sent = JSON.stringify(upstream.seen[0]!.body)
      for (const said of ['Where is it warm?', 'Paris', 'London', '21 degrees', '12 degrees', 'weather'])
        expect(sent).toContain(said)
    })

    test('sees an image that is sent along', async () => {
      const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }
      await recorded('text.json', {
        messages: [{ role: 'user', content: [{ type: 'text', text: 'Look.' }, image] }],
      })
      expect(JSON.stringify(upstream.seen[0]!.body)).toContain(PNG)
    })

    test('is told of a schema for JSON', async () => {
      const schema = {
        type: 'object',
        properties: { capital: { type: 'string' } },
        required: ['capital'],
        additionalProperties: false,
      }
      const json_schema = { name: 'city', schema, strict: true }
      await recorded('text.json', { response_format: { type: 'json_schema', json_schema } })
      expect(JSON.stringify(upstream.seen[0]!.body)).toContain(JSON.stringify(schema))
    })

    test.each(['thinking.json', 'thinking.sse'])('shows its thoughts and counts them (%s)', async (name) => {
      const { says } = adapter
      const { text, reasoning, billed } = (name === 'thinking.sse' && says.thinkingStream) || says.thinking
      const found = await recorded(name, { reasoning_effort: 'high' })
      expect(found).toMatchObject({ text, reasoning, finish: 'stop' })
      expect(found.metered).toMatchObject({ ...billed, source: 'reported' })
    })

    test.skipIf(adapter.keepsake === undefined)('gets its thoughts back as they were', async () => {
      const { text, reasoning, details } = await recorded('thinking.json', { reasoning_effort: 'high' })
      const said = {
        role: 'assistant',
        content: text,
        reasoning_content: reasoning,
        reasoning_details: details,
      }
      await recorded('text.json', {
        messages: [{ role: 'user', content: 'Hi' }, said, { role: 'user', content: 'And?' }],
        reasoning_effort: 'high',
      })
      expect(JSON.stringify(upstream.seen[1]!.body)).toContain(adapter.keepsake)
    })

    test('says what came from a cache', async () => {
      const { usage } = await recorded('cache.json')
      const { input, cached, output } = adapter.says.cache
      expect(usage).toMatchObject({
        prompt_tokens: input,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens: output,
      })
    })

    test.each(adapter.finishes)('an answer that ended by %s ended by %s', async (native, ours) => {
      upstream.script(({ response }) => void response.end(JSON.stringify(adapter.ended(native))))
      expect((await readOf(open(), ask())).finish).toBe(ours)
    })

    test.each(adapter.faults)('a refusal with %i is %s: %j', async (status, fault, body) => {
      upstream.script(({ response }) => void response.writeHead(status).end(JSON.stringify(body)))
      expect((await faultOf(open().ask(ask())))[0]).toBe(fault)
      expect((await faultOf(open().ask(ask({ stream: true }))))[0]).toBe(fault)
    })

    test.each([
      ['in seconds', () => '7', 7_000],
      ['by a date', () => new Date(Date.now() + 30_000).toUTCString(), 30_000],
    ])('one that asks to wait (%s) is heard', async (_, header, ms) => {
      const headers = { 'retry-after': header() }
      upstream.script(({ response }) => void response.writeHead(429, headers).end('{}'))
      const [fault, wait] = await faultOf(open().ask(ask()))
      expect(fault).toBe('rate_limited')
      expect(Math.abs(wait! - ms)).toBeLessThan(3_000)
    })

    test('a question that is taken back frees its connection within a second, begun or not', async () => {
      upstream.script(() => {})
      const controller = new AbortController()
      const asking = open().ask(ask({}, controller.signal))
      await expect.poll(() => upstream.seen.length).toBe(1)
      controller.abort()
      await faultOf(asking)
      await expect.poll(() => upstream.seen[0]!.closedEarly, { timeout: 1_000 }).toBe(true)

      const { controller: later, rest } = await begin(streaming(adapter.word('Hel')))
      const reading = rest().catch(() => 'over')
      later.abort()
      expect(await reading).toBe('over')
      await expect.poll(() => upstream.seen[1]!.closedEarly, { timeout: 1_000 }).toBe(true)
    })

    test('a stream that falls silent is over, keep-alives or not', async () => {
      const limits = { firstByteMs: 5_000, idleMs: 150 }
      const silent = await begin(streaming(adapter.word('Hel')), limits)
      expect(await faultOf(silent.rest())).toEqual(['timeout', undefined])
      const kept = await begin(({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(adapter.word('Hel'))
        const timer = setInterval(() => response.write(': keep-alive\n\n'), 30)
        response.on('close', () => clearInterval(timer))
      }, limits)
      expect(await faultOf(kept.rest())).toEqual(['timeout', undefined])
    })

    test('an answer that does not begin in time is over', async () => {
      upstream.script(() => {})
      const provider = open({ firstByteMs: 100, idleMs: 5_000 })
      expect(await faultOf(provider.ask(ask({ stream: true })))).toEqual(['timeout', undefined])
    })

    test.each([
      ['is not JSON', 'malformed', 'data: {"nope\n\n'],
      ['is a number', 'malformed', 'data: 5\n\n'],
      ['is larger than a megabyte', 'malformed', `data: "${'x'.repeat(3 << 20)}"\n\n`],
    ])('a chunk that %s is %s, after what came before', async (_, fault, piece) => {
      const { rest } = await begin(streaming(adapter.word('Hel'), piece))
      expect(await faultOf(rest())).toEqual([fault, undefined])
    })

    test('an error inside of a stream is one, after what came before', async () => {
      const { rest } = await begin(says(`${adapter.name}/error.sse`))
      expect(await faultOf(rest())).toEqual(['unavailable', undefined])
    })

    test('a stream that breaks off is unavailable', async () => {
      const { rest } = await begin(({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(adapter.word('Hel'))
        setTimeout(() => response.socket?.destroy(), 20)
      })
      expect(await faultOf(rest())).toEqual(['unavailable', undefined])
    })

    test.each(['', 'nope', '[]', '5', '{}'])('%j is no answer', async (text) => {
      upstream.script(({ response }) => void response.end(text))
      const asking = open()
        .ask(ask())
        .then((answer) => {
          // What has no choices is for the call to see.
          if (answer.kind === 'json' && !answer.body.choices) throw new NoChoices()
        })
      await expect(asking).rejects.toThrow()
    })

    test('an answer of more than 32 MiB is given up', async () => {
      upstream.script(({ response }) => {
        const megabyte = Buffer.alloc(1 << 20, 32)
        const more = (): void => {
          while (!response.destroyed && response.write(megabyte)) {}
          if (!response.destroyed) response.once('drain', more)
        }
        more()
      })
      expect(await faultOf(open().ask(ask()))).toEqual(['malformed', undefined])
    })

    test('nothing that its key is leaves with an error', async () => {
      upstream.script(
        ({ response }) => void response.writeHead(401).end(fixture(`${adapter.name}/text.json`)),
      )
      const error = await open()
        .ask(ask())
        .catch((thrown: Error) => thrown)
      expect(String((error as Error).message)).toBe('status 401')
    })
  })
}

class NoChoices extends Error {}

/** Asking providers and reading what they say, for the tests of all of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMeter } from '../../src/call/meter.ts'
import { type Answer, type Ask, type Provider, UpstreamError } from '../../src/providers/provider.ts'
import { forwardBody, type WireAnswer } from '../../src/wire/openai.ts'
import { orderOf } from '../support/models.ts'
import type { Script } from '../support/upstream.ts'

export const fixture = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8')

/** A provider that says what is written in a fixture: a stream, or JSON with a status. */
export const says =
  (name: string, status = 200, headers: Record<string, string> = {}): Script =>
  ({ response }) => {
    const type = name.endsWith('.sse') ? 'text/event-stream' : 'application/json'
    response.writeHead(status, { 'content-type': type, ...headers }).end(fixture(name))
  }

export const askOf = (more: Record<string, unknown> = {}, facts: Partial<Ask> = {}): Ask => ({
  body: forwardBody(orderOf(more).request),
  model: 'there',
  maxOutput: 77,
  signal: new AbortController().signal,
  ...facts,
})

export type ToolCall = { id?: string; name?: string; arguments: string }

/** What a caller gets, whether it came in one piece or in many. */
export type Read = {
  text: string
  reasoning: string
  details: unknown[]
  tools: ToolCall[]
  finish: string | undefined
  roles: unknown[]
  usage: WireAnswer['usage']
  /** As it is billed. */
  metered: { input: number; cached: number; output: number; source: string }
  done: boolean
  choices: number
}

/** All of an answer. */
export const read = async (answer: Answer): Promise<Read> => {
  const meter = createMeter({ input: 20, maxOutput: 10_000, choices: 1 })
  const found: Omit<Read, 'metered'> = {
    text: '',
    reasoning: '',
    details: [],
    tools: [],
    finish: undefined,
    roles: [],
    usage: undefined,
    done: false,
    choices: 0,
  }
  const see = (part: WireAnswer): void => {
    meter.see(part)
    if (part.usage) found.usage = part.usage
    for (const choice of part.choices ?? []) {
      const said = (choice.delta ?? choice.message) as Record<string, unknown>
      found.choices = Math.max(found.choices, Number(choice.index ?? 0) + 1)
      if (said['role'] !== undefined) found.roles.push(said['role'])
      found.text += said['content'] ?? ''
      found.reasoning += said['reasoning_content'] ?? said['reasoning'] ?? ''
      found.details.push(...((said['reasoning_details'] as unknown[] | undefined) ?? []))
      seeTools(found.tools, said['tool_calls'])
      found.finish = choice.finish_reason ?? found.finish
    }
  }
  if (answer.kind === 'json') {
    see(JSON.parse(answer.text) as WireAnswer)
  } else {
    for await (const batch of answer.events)
      for (const data of batch) {
        if (data === '[DONE]') found.done = true
        else see(JSON.parse(data) as WireAnswer)
      }
  }
  return { ...found, metered: { ...meter.usage() } }
}

const seeTools = (into: ToolCall[], calls: unknown): void => {
  for (const [i, call] of ((calls ?? []) as Record<string, unknown>[]).entries()) {
    const at = Number(call['index'] ?? i)
    const named = (call['function'] ?? {}) as { name?: string; arguments?: string }
    const one = into[at] ?? { arguments: '' }
    into[at] = {
      ...one,
      ...(call['id'] !== undefined && { id: String(call['id']) }),
      ...(named.name !== undefined && { name: named.name }),
      arguments: one.arguments + (named.arguments ?? ''),
    }
  }
}

export const readOf = async (provider: Provider, ask: Ask): Promise<Read> => read(await provider.ask(ask))

/** The fault of a question that must fail, and how long to wait. */
export const faultOf = async (asking: Promise<unknown>): Promise<[string, number | undefined]> => {
  const error = await asking.then(
    () => new Error('answered'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof UpstreamError)) throw error
  return [error.fault, error.retryAfterMs]
}

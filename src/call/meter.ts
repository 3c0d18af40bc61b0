import { createHash, type Hash, hash } from 'node:crypto'
import type { Hex } from '../assets.ts'
import type { Usage } from '../ledger/call.ts'
import { estimateTokens, utf8Bytes } from '../quote/tokens.ts'
import type { WireAnswer, WireDelta, WireUsage } from '../wire/openai.ts'

/** Counts what was delivered and doubts what was reported. Holds counts, the word being written and the last few pieces that were sent, never the whole of a stream. */
export type Meter = {
  /** Looks at an answer or at one chunk of a stream. */
  see: (part: WireAnswer) => void
  /** Hashes what the caller is sent. */
  sent: (text: string) => void
  /** Something a caller would call an answer has been seen: text, a refusal, reasoning (be it hidden) or a tool call. */
  hasContent: () => boolean
  /** The provider said how each choice ended. */
  finished: () => boolean
  /** More was delivered than the quote can pay for. */
  overrun: () => boolean
  usage: () => Usage
  /** SHA-256 of everything that was sent. */
  digest: () => Hex
}

export type MeterFacts = {
  /** Input tokens that were expected when quoting: the bill where none are reported. */
  input: number
  /** Output tokens that were quoted, all choices together. */
  maxOutput: number
  choices: number
}

/** Tokens that a choice may have on top of its visible text: its framing and its stop. */
const INVISIBLE = 16
/** The same of a tool call: its frame is tokens that nobody sees. */
const INVISIBLE_IN_TOOLS = 64
/** A run of text without a space is estimated in pieces of this length, so that little is ever kept. */
const LONGEST_WORD = 256
/** Pieces that are hashed together, and how long they may be, together but for the last. */
const MOST_PIECES = 16
const LONGEST_WAITING = 4_096

/** A meter for one answer. */
export const createMeter = ({ input, maxOutput, choices }: MeterFacts): Meter => {
  const sent = hashing()
  const text = countText()
  const ended = new Set<unknown>()
  let prompt: number | undefined
  let cached = 0
  let written = 0
  let output: number | undefined
  let reasoning = 0
  let tools = 0
  let thinks = false
  let ranOut = false
  let atReport = 0

  const seeDelta = (delta: WireDelta): void => {
    text.add(delta.content)
    text.add(delta.refusal)
    text.add(delta.reasoning_content ?? delta.reasoning)
    // Some models think for minutes and show none of it: they have begun all the same.
    thinks ||= objects(delta.reasoning_details).length > 0
    for (const call of objects(delta.tool_calls))
      for (const part of [call['function'], call['custom']]) seeTool(part)
    seeTool(delta.function_call)
  }
  const seeTool = (part: unknown): void => {
    if (!isObject(part)) return
    if (part['name']) tools++
    text.add(part['name'])
    text.add(part['arguments'] ?? part['input'])
  }

  // Usage may come at the end, in every chunk, or half at the start and half at the end: each number holds until the next.
  const seeUsage = ({ prompt_tokens, completion_tokens, ...more }: WireUsage): void => {
    prompt = count(prompt_tokens) ?? prompt
    cached = count(more.prompt_tokens_details?.cached_tokens) ?? cached
    written = count(more.prompt_tokens_details?.cache_write_tokens) ?? written
    const told = count(completion_tokens)
    if (told === undefined) return
    output = told
    reasoning = count(more.completion_tokens_details?.reasoning_tokens) ?? 0
    atReport = text.tokens()
  }

  const usage = (): Usage => {
    const seen = text.tokens()
    // What came after the last report was not in it.
    const since = Math.max(0, seen - atReport)
    // A token is at least a byte: a provider that reports more visible tokens than bytes has miscounted.
    const possible = text.bytes() + choices * INVISIBLE + tools * INVISIBLE_IN_TOOLS + reasoning
    const produced = output === undefined || output > possible ? seen : output + since
    const believed = prompt === undefined || prompt > input * 4 + 2_000 ? input : prompt
    return {
      input: believed,
      cached: Math.min(cached, believed),
      ...(written > 0 && { written: Math.min(written, believed - Math.min(cached, believed)) }),
      output: Math.min(produced, maxOutput),
      source: prompt !== undefined && output !== undefined && since === 0 ? 'reported' : 'delivered',
    }
  }

  return {
    see: (part) => {
      for (const [i, choice] of objects(part.choices).entries()) {
        const delta = choice['delta'] ?? choice['message']
        if (isObject(delta)) seeDelta(delta)
        if (choice['finish_reason']) ended.add(choice['index'] ?? i)
        ranOut ||= choice['finish_reason'] === 'length'
      }
      if (isObject(part.usage)) seeUsage(part.usage)
    },
    sent: sent.add,
    // All that was allowed went into thoughts that nobody sees: an answer, and no failure that another host would mend.
    hasContent: () => thinks || text.bytes() > 0 || (ranOut && reasoning > 0),
    finished: () => ended.size >= choices,
    overrun: () => text.atLeast() > maxOutput * 2 + 64,
    usage,
    digest: () => `0x${sent.digest()}`,
  }
}

// An answer in one piece is hashed in one call, at half the cost; so are small pieces of a stream.
const hashing = () => {
  let pieces = 0
  let waiting = ''
  let running: Hash | undefined
  return {
    add: (text: string): void => {
      if (pieces === MOST_PIECES || waiting.length > LONGEST_WAITING) {
        running = (running ?? createHash('sha256')).update(waiting)
        pieces = 0
        waiting = ''
      }
      pieces++
      waiting += text
    },
    digest: (): string =>
      running ? running.copy().update(waiting).digest('hex') : hash('sha256', waiting, 'hex'),
  }
}

// Only whole words are estimated, so that the count is the same however a provider cuts its text into chunks.
const countText = () => {
  let bytes = 0
  let counted = 0
  let word = ''
  return {
    add: (part: unknown): void => {
      const written =
        typeof part === 'string' ? part : Array.isArray(part) && part.length > 0 ? JSON.stringify(part) : ''
      if (written === '') return
      bytes += utf8Bytes(written)
      word += written
      const end =
        word.length > LONGEST_WORD ? word.length : Math.max(word.lastIndexOf(' '), word.lastIndexOf('\n'))
      if (end <= 0) return
      counted += estimateTokens(word.slice(0, end))
      word = word.slice(end)
    },
    bytes: () => bytes,
    tokens: () => counted + (word === '' ? 0 : Math.max(1, estimateTokens(word))),
    /** The same without the word being written: cheap enough to ask for every chunk. */
    atLeast: () => counted,
  }
}

// A provider may send anything where an object or a list belongs.
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const objects = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(isObject) : []

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

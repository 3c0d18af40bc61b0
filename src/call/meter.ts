import { createHash } from 'node:crypto'
import type { Hex } from '../assets.ts'
import type { Usage } from '../ledger/call.ts'
import { estimateTokens, utf8Bytes } from '../quote/tokens.ts'
import type { WireAnswer, WireDelta, WireUsage } from '../wire/openai.ts'

/** Counts what was delivered and doubts what was reported. Holds counts only, never text. */
export type Meter = {
  /** Looks at an answer or at one chunk of a stream. */
  see: (part: WireAnswer) => void
  /** Hashes what the caller is sent. */
  sent: (text: string) => void
  /** Something a caller would call an answer has been seen: text, a refusal, reasoning or a tool call. */
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

/** A meter for one answer. */
export const createMeter = ({ input, maxOutput, choices }: MeterFacts): Meter => {
  const hash = createHash('sha256')
  let bytes = 0
  let tokens = 0
  let finishes = 0
  let reported: WireUsage | undefined

  const seeText = (text: unknown): void => {
    const written = typeof text === 'string' ? text : text ? JSON.stringify(text) : ''
    if (written === '') return
    bytes += utf8Bytes(written)
    tokens += Math.max(1, estimateTokens(written))
  }
  const seeDelta = (delta: WireDelta | null | undefined): void => {
    if (!delta) return
    seeText(delta.content)
    seeText(delta.refusal)
    seeText(delta.reasoning_content ?? delta.reasoning)
    if (Array.isArray(delta.tool_calls) && delta.tool_calls.length > 0) seeText(delta.tool_calls)
    seeText(delta.function_call)
  }

  const usage = (): Usage => {
    const delivered = Math.min(tokens, maxOutput)
    const output = count(reported?.completion_tokens)
    const prompt = count(reported?.prompt_tokens)
    if (output === undefined || prompt === undefined) {
      return { input, cached: 0, output: delivered, source: 'delivered' }
    }
    const reasoning = count(reported?.completion_tokens_details?.reasoning_tokens) ?? 0
    // A token is at least a byte: a provider that reports more visible tokens than bytes has miscounted.
    const possible = bytes + choices * INVISIBLE + reasoning
    return {
      input: prompt > input * 4 + 2_000 ? input : prompt,
      cached: Math.min(prompt, count(reported?.prompt_tokens_details?.cached_tokens) ?? 0),
      output: Math.min(output > possible ? delivered : output, maxOutput),
      source: 'reported',
    }
  }

  return {
    see: (part) => {
      if (part.usage) reported = part.usage
      for (const choice of part.choices ?? []) {
        seeDelta(choice.delta ?? choice.message)
        if (choice.finish_reason) finishes++
      }
    },
    sent: (text) => void hash.update(text),
    hasContent: () => bytes > 0,
    finished: () => finishes >= choices,
    overrun: () => tokens > maxOutput * 2 + 64,
    usage: () => {
      const found = usage()
      return { ...found, cached: Math.min(found.cached, found.input) }
    },
    digest: () => `0x${hash.copy().digest('hex')}`,
  }
}

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

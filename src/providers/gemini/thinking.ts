/** How hard to think, in Gemini's words. */
import type { ForwardBody } from '../../wire/openai.ts'
import { UpstreamError } from '../provider.ts'
import type { Abilities, Level } from './models.ts'

// https://ai.google.dev/gemini-api/docs/openai: Google's own reading of OpenAI's efforts as numbers of tokens
const TOKENS = {
  minimal: 1_024,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
  max: 32_768,
} as const
const LEVELS: readonly Level[] = ['MINIMAL', 'LOW', 'MEDIUM', 'HIGH']

type Config = { includeThoughts?: boolean; thinkingBudget?: number; thinkingLevel?: Level }

/**
 * `thinkingConfig`; undefined for a model that has none. Thoughts are shown unless they are not wanted: they are paid for,
 * and a stream that is silent meanwhile looks like a dead one. Throws `unfit` where it cannot be told so.
 */
export const thinkingOf = (
  { reasoning, reasoning_effort }: ForwardBody,
  can: Abilities,
): Config | undefined => {
  const effort = reasoning?.effort ?? reasoning_effort ?? (reasoning?.enabled === false ? 'none' : undefined)
  if (!can.thinks) return undefined
  if (effort === 'none') {
    if (can.thinks === 'level' || !can.budget.rest) throw new UpstreamError('unfit', 'it always thinks')
    return { thinkingBudget: 0 }
  }
  const shown = reasoning?.exclude === true ? {} : { includeThoughts: true }
  const tokens = reasoning?.max_tokens
  if (tokens !== undefined) return { ...shown, thinkingBudget: within(tokens, can) }
  // Some think only when they are told to; to think, no more said, is for the model to measure.
  if (effort === undefined)
    return reasoning?.enabled && can.thinks === 'budget' ? { ...shown, thinkingBudget: -1 } : orNothing(shown)
  if (can.thinks === 'budget') return { ...shown, thinkingBudget: within(TOKENS[effort], can) }
  return { ...shown, thinkingLevel: levelOf(effort, can.levels) }
}

const orNothing = (config: Config): Config | undefined => (config.includeThoughts ? config : undefined)

const within = (tokens: number, { budget }: Abilities): number =>
  Math.min(Math.max(tokens, budget.least), budget.most)

const AT = { minimal: 0, low: 1, medium: 2, high: 3, xhigh: 3, max: 3 } as const

/** The level itself, or the next above that the model knows. */
const levelOf = (effort: keyof typeof AT, levels: readonly Level[]): Level =>
  LEVELS.slice(AT[effort]).find((one) => levels.includes(one)) ?? 'HIGH'

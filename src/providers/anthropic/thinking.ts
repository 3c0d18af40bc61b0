/** How hard to think and in which form to answer, in Anthropic's words. */
import type { ForwardBody } from '../../wire/openai.ts'
import { UpstreamError } from '../provider.ts'
import type { Abilities, Effort } from './models.ts'

/** Shares of the output that an effort may think with, where only a number of tokens can be said. */
const SHARES = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8, xhigh: 0.95, max: 0.95 } as const
const LEAST_BUDGET = 1_024

/** `thinking` and `output_config`; throws `unfit` for what this model cannot be told. */
export const thinkingOf = (body: ForwardBody, abilities: Abilities, maxTokens: number): object => {
  const effort = body.reasoning?.effort ?? body.reasoning_effort ?? undefined
  const thinking = configOf(body, effort, abilities, maxTokens)
  const adaptive = thinking?.type === 'adaptive' && effort && effort !== 'none'
  const wanted = adaptive ? nearest(effort, abilities.efforts) : undefined
  const verbosity = body.verbosity ? nearest(body.verbosity, abilities.efforts) : undefined
  if (wanted && verbosity && wanted !== verbosity)
    throw new UpstreamError('unfit', 'effort and verbosity are one word there')
  const format = formatOf(body)
  const output_config = {
    ...((wanted ?? verbosity) && { effort: wanted ?? verbosity }),
    ...(format && { format }),
  }
  return {
    ...(thinking && { thinking }),
    ...(Object.keys(output_config).length > 0 && { output_config }),
  }
}

type Config = {
  type: 'enabled' | 'adaptive' | NonNullable<Abilities['rests']>
  budget_tokens?: number
  display?: string
}

const configOf = (
  { reasoning }: ForwardBody,
  effort: keyof typeof SHARES | 'none' | undefined,
  { thinks, rests, claude }: Abilities,
  maxTokens: number,
): Config | undefined => {
  if (effort === 'none' || reasoning?.enabled === false) {
    if (thinks && !rests) throw new UpstreamError('unfit', 'it always thinks')
    return rests && { type: rests }
  }
  const budget = reasoning?.max_tokens
  if (budget === undefined && effort === undefined && !reasoning?.enabled) return undefined
  if (!thinks || (budget !== undefined && thinks === 'adaptive'))
    throw new UpstreamError('unfit', 'it cannot be told to think so')
  const exclude = reasoning?.exclude
  // What a caller asked for is shown, also by models that otherwise keep it to themselves.
  const shown = (always: boolean) =>
    claude && (always || exclude !== undefined) ? { display: exclude ? 'omitted' : 'summarized' } : {}
  if (budget !== undefined) return { type: 'enabled', budget_tokens: budget, ...shown(false) }
  if (thinks !== 'budget') return { type: 'adaptive', ...shown(true) }
  return { type: 'enabled', budget_tokens: share(effort ?? 'medium', maxTokens), ...shown(false) }
}

const share = (effort: keyof typeof SHARES, maxTokens: number): number => {
  if (maxTokens <= LEAST_BUDGET) throw new UpstreamError('unfit', 'too few tokens to think with')
  return Math.max(Math.floor(maxTokens * SHARES[effort]), LEAST_BUDGET)
}

const ORDER: readonly Effort[] = ['low', 'medium', 'high', 'xhigh', 'max']

/** The effort itself, or the highest below it that the model knows. */
const nearest = (effort: Effort | 'minimal', known: readonly Effort[]): Effort | undefined => {
  const at = effort === 'minimal' ? 0 : ORDER.indexOf(effort)
  return known.findLast((one) => ORDER.indexOf(one) <= at)
}

const formatOf = ({ response_format }: ForwardBody): object | undefined => {
  if (response_format?.type === 'json_object') throw new UpstreamError('unfit', 'JSON without a schema')
  if (response_format?.type !== 'json_schema') return undefined
  const { schema } = response_format.json_schema
  if (!schema) throw new UpstreamError('unfit', 'JSON without a schema')
  return { type: 'json_schema', schema }
}

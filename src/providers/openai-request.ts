import type { EmbeddingsBody } from '../wire/embeddings.ts'
import type { Feature } from '../wire/features.ts'
import type { ForwardBody } from '../wire/openai.ts'
import { messagesFor } from './openai-messages.ts'
import { askToReason, effortOf } from './openai-reasoning.ts'
import { type Ask, UpstreamError } from './provider.ts'
import type { Hint, Quirks } from './quirks.ts'
import { mustFit } from './unfit.ts'

/** Fields that say nothing where a host lacks the feature: what they could ask for is asked elsewhere. */
const FIELDS: Partial<Record<Feature, readonly string[]>> = {
  tools: ['tools'],
  parallel_tool_calls: ['parallel_tool_calls'],
  tool_choice: ['tool_choice'],
  functions: ['functions', 'function_call'],
  reasoning: ['reasoning', 'reasoning_effort'],
  several_choices: ['n'],
  seed: ['seed'],
  temperature: ['temperature'],
  top_p: ['top_p'],
  top_k: ['top_k'],
  stop: ['stop'],
  penalties: ['frequency_penalty', 'presence_penalty'],
  logprobs: ['logprobs', 'top_logprobs'],
  logit_bias: ['logit_bias'],
  verbosity: ['verbosity'],
  metadata: ['metadata'],
  store: ['store'],
}

export type Fit = { quirks: Quirks; lacks: ReadonlySet<Feature>; capField: string }

/**
 * The caller's body as a host takes it: its model's name there, a cap on output always, usage in streams always. Throws
 * `unfit` when the host has no words for what is asked, so that nothing is dropped without a word.
 */
export const requestFor = (ask: Ask, { quirks, lacks, capField }: Fit): Record<string, unknown> => {
  const { body, model } = ask
  if (quirks.lacks || quirks.lacksWith || quirks.unlessIdle) refuse(body, quirks.unlessIdle?.(model), lacks)
  const out: Record<string, unknown> = { ...body, model, messages: messagesFor(body.messages, quirks) }
  cap(out, ask, quirks.cap && capField, capField)
  if (body.stream) {
    out['stream_options'] = { ...body.stream_options, include_usage: true }
    if (quirks.usageUnasked) delete out['stream_options']
  }
  if (quirks.reasoning) {
    delete out['reasoning']
    delete out['reasoning_effort']
    if (!lacks.has('reasoning')) Object.assign(out, askToReason(body, quirks.reasoning(model)))
  }
  for (const feature of lacks) for (const field of FIELDS[feature] ?? []) delete out[field]
  if (quirks.drops) dropHints(out, quirks.drops)
  if (quirks.stops !== undefined && body.stop) out['stop'] = stopsOf(body.stop, quirks.stops)
  if (quirks.mostVerbose && /max$|high$/.test(body.verbosity ?? '')) out['verbosity'] = quirks.mostVerbose
  if (quirks.seed && out['seed'] != null) {
    out[quirks.seed] = out['seed']
    delete out['seed']
  }
  if (quirks.cap) for (const [field, value] of Object.entries(out)) if (value === null) delete out[field]
  return out
}

const refuse = (
  body: ForwardBody,
  unlessIdle: readonly Feature[] | undefined,
  lacks: ReadonlySet<Feature>,
): void => {
  const idle = (effortOf(body) ?? 'none') === 'none'
  mustFit(body, (feature) => lacks.has(feature) || (!idle && unlessIdle?.includes(feature) === true))
}

const CAPS = ['max_tokens', 'max_completion_tokens'] as const

/** `only`: the one field that this host knows; without it the caller's own stays. */
const cap = (
  out: Record<string, unknown>,
  { body, maxOutput }: Ask,
  only: string | undefined,
  fallback: string,
): void => {
  const most = Math.min(body.max_completion_tokens ?? body.max_tokens ?? maxOutput, maxOutput)
  const own = only === undefined && CAPS.filter((field) => typeof body[field] === 'number')
  for (const field of CAPS) delete out[field]
  for (const field of own && own.length > 0 ? own : [only ?? fallback]) out[field] = most
}

const dropHints = (out: Record<string, unknown>, drops: readonly Hint[]): void => {
  for (const hint of drops) delete out[hint]
  const options = out['stream_options'] as Record<string, unknown> | undefined
  if (options && drops.includes('include_obfuscation')) out['stream_options'] = { include_usage: true }
  const tools = out['tools'] as Record<string, unknown>[] | undefined
  if (drops.includes('cache_control') && tools?.some((tool) => 'cache_control' in tool))
    out['tools'] = tools.map(({ cache_control, ...tool }) => tool)
}

const stopsOf = (stop: string | readonly string[], most: number): readonly string[] => {
  const list = typeof stop === 'string' ? [stop] : stop
  if (list.length > most) throw new UpstreamError('unfit', 'too many stops')
  return list
}

/** A request for embeddings as a host takes it; throws `unfit` for a length where it has none to choose. */
export const embeddingsFor = (
  body: EmbeddingsBody,
  model: string,
  quirks: Quirks,
): Record<string, unknown> => {
  const { dimensions, user, encoding_format, ...rest } = body
  const quirk = quirks.embeddings || undefined
  const field = quirk ? quirk.dimensions : 'dimensions'
  if (dimensions !== undefined && field === false) throw new UpstreamError('unfit', 'no choice of dimensions')
  const named = encoding_format !== undefined && !(quirk?.unnamedFloats && encoding_format === 'float')
  return {
    ...rest,
    model,
    ...(named && { encoding_format }),
    ...(dimensions !== undefined && { [field as string]: dimensions }),
    ...(user !== undefined && !quirks.drops?.includes('user') && { user }),
  }
}

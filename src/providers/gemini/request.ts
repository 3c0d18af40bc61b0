/** A chat request as Gemini's. What its form has no word for is in `lacks`; what only together cannot be said is `unfit`. */
import type { ForwardBody } from '../../wire/openai.ts'
import { type Ask, UpstreamError } from '../provider.ts'
import { mustFit } from '../unfit.ts'
import { conversationOf } from './messages.ts'
import type { Abilities } from './models.ts'
import { thinkingOf } from './thinking.ts'

/** The body of generateContent and of streamGenerateContent; throws `unfit`. */
export const contentBody = ({ body, maxOutput }: Ask, abilities: Abilities): object => {
  mustFit(body, (feature) => abilities.lacks.has(feature))
  const { system, contents } = conversationOf(body.messages, abilities)
  return {
    ...(system.length > 0 && { systemInstruction: { parts: system } }),
    contents,
    ...toolsOf(body),
    generationConfig: {
      maxOutputTokens: Math.min(body.max_completion_tokens ?? body.max_tokens ?? maxOutput, maxOutput),
      ...samplingOf(body),
      ...formatOf(body, abilities),
      ...thoughtsOf(body, abilities),
    },
  }
}

const thoughtsOf = (body: ForwardBody, abilities: Abilities): object => {
  const thinkingConfig = thinkingOf(body, abilities)
  return thinkingConfig ? { thinkingConfig } : {}
}

const samplingOf = (body: ForwardBody): object => {
  const stops = typeof body.stop === 'string' ? [body.stop] : body.stop
  const given = {
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    // 32 bits there: the same seed is the same one still.
    seed: typeof body.seed === 'number' ? body.seed | 0 : undefined,
    presencePenalty: body.presence_penalty || undefined,
    frequencyPenalty: body.frequency_penalty || undefined,
    candidateCount: (body.n ?? 1) > 1 ? body.n : undefined,
    stopSequences: stops?.length ? stops : undefined,
  }
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
  )
}

const formatOf = ({ response_format, tools }: ForwardBody, { toolsWithJson }: Abilities): object => {
  if (!response_format || response_format.type === 'text') return {}
  if (tools?.length && !toolsWithJson) throw new UpstreamError('unfit', 'functions and JSON together')
  const schema = response_format.type === 'json_schema' ? response_format.json_schema.schema : undefined
  return { responseMimeType: 'application/json', ...(schema && { responseJsonSchema: schema }) }
}

const toolsOf = ({ tools, tool_choice }: ForwardBody): object => {
  if (!tools?.length) return {}
  let strict = false
  const functionDeclarations = tools.map((tool) => {
    if (tool.type !== 'function') throw new UpstreamError('unfit', 'a custom tool')
    const { name, description, parameters } = tool.function
    if (tool.function.strict) strict = true
    return {
      name,
      ...(description !== undefined && { description }),
      ...(parameters && { parametersJsonSchema: parameters }),
    }
  })
  const functionCallingConfig = configOf(tool_choice, strict)
  return {
    tools: [{ functionDeclarations }],
    ...(functionCallingConfig && { toolConfig: { functionCallingConfig } }),
  }
}

type Config = { mode: 'AUTO' | 'NONE' | 'ANY' | 'VALIDATED'; allowedFunctionNames?: string[] }

const configOf = (choice: ForwardBody['tool_choice'], strict: boolean): Config | undefined => {
  // A call that must fit its schema, without one being asked for.
  if (choice === undefined || choice === 'auto') return strict ? { mode: 'VALIDATED' } : undefined
  if (typeof choice === 'string') return { mode: choice === 'required' ? 'ANY' : 'NONE' }
  const { type, function: named, allowed_tools: allowed } = choice as Choice
  if (type === 'function' && named?.name) return { mode: 'ANY', allowedFunctionNames: [named.name] }
  const names = allowed?.tools?.map((one) => one.function?.name ?? '')
  if (type !== 'allowed_tools' || !names?.every(Boolean))
    throw new UpstreamError('unfit', 'a choice of tools that Gemini cannot say')
  return { mode: allowed?.mode === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: names }
}

type Named = { name?: string }
type Choice = {
  type?: unknown
  function?: Named
  allowed_tools?: { mode?: unknown; tools?: { function?: Named }[] }
}

import type { WireAnswer } from '../wire/openai.ts'
import { type Host, openHost } from './http-host.ts'
import { mended, mendFor } from './openai-answer.ts'
import { chunksOfWhole, eventError, wholeAnswer } from './openai-error.ts'
import { classifyOpenAi } from './openai-fault.ts'
import { embeddingsFor, requestFor } from './openai-request.ts'
import type { Answer, Ask, EmbedAsk, Provider } from './provider.ts'
import { lacking, type Quirks, quirksOf } from './quirks.ts'
import { mendVectors } from './vectors.ts'

export type OpenAiFacts = {
  id: string
  /** Whose server it is, such as `deepseek`; when absent its address tells, or its id. */
  kind?: string | undefined
  /** Such as https://api.openai.com/v1; no trailing slash needed. An Azure one may have an api-version. */
  baseUrl: string
  key: string | undefined
  /** The field that caps output, where its kind does not tell. */
  maxTokensField?: 'max_tokens' | 'max_completion_tokens' | undefined
  firstByteMs: number
  idleMs: number
}

/** Any server that speaks POST /chat/completions: OpenAI itself and the many that copy it. */
export const openAiProvider = (facts: OpenAiFacts): Provider => {
  const quirks = quirksOf(facts)
  const lacks = lacking(quirks)
  const pathOf = pathsOf(facts.baseUrl, quirks)
  const capField = facts.maxTokensField ?? quirks.cap ?? 'max_tokens'
  const host = openHost({
    ...facts,
    headers: authOf(facts.key, quirks),
    classify: classifyOpenAi,
    eventError,
    ofWhole: chunksOfWhole,
  })
  const plain = mendFor(quirks, false)

  const ask = async (ask: Ask): Promise<Answer> => {
    const { body, model, signal, trace } = ask
    const request = requestFor(ask, { quirks, lacks: lacks(model), capField })
    const asked = { path: pathOf(model, 'chat/completions'), body: JSON.stringify(request), signal, trace }
    // Reasoning that is not wanted is left out by us: few hosts have a word for that.
    const mend = body.reasoning?.exclude === true ? mendFor(quirks, true) : plain
    if (body.stream) {
      const events = await host.events(asked)
      return { kind: 'stream', events: mend ? mended(events, mend) : events }
    }
    const text = await host.whole(asked)
    const answer = wholeAnswer(text)
    const changed = mend?.mend(answer) === true
    return { kind: 'json', text: changed ? JSON.stringify(answer) : text, body: answer }
  }
  return {
    id: facts.id,
    lacks,
    ask,
    ...(quirks.embeddings !== false && { embed: (ask: EmbedAsk) => embed(host, ask, pathOf, quirks) }),
    close: host.close,
  }
}

type PathOf = (model: string, rest: string) => string

/** Azure's deployments have the model in the path and the api-version in the query; all others have neither. */
const pathsOf = (baseUrl: string, { deployments }: Quirks): PathOf => {
  const url = new URL(baseUrl)
  const base = url.pathname.replace(/\/+$/, '')
  if (!deployments) return (_, rest) => `${base}/${rest}`
  if (!base.endsWith('/openai')) return (_, rest) => `${base}/${rest}${url.search}`
  if (!url.searchParams.has('api-version')) return (_, rest) => `${base}/v1/${rest}${url.search}`
  return (model, rest) => `${base}/deployments/${encodeURIComponent(model)}/${rest}${url.search}`
}

const authOf = (key: string | undefined, { keyHeader }: Quirks): Record<string, string> => {
  if (key === undefined) return {}
  return keyHeader ? { 'api-key': key } : { authorization: `Bearer ${key}` }
}

const embed = async (
  host: Host,
  { body, model, signal, trace }: EmbedAsk,
  pathOf: PathOf,
  quirks: Quirks,
): Promise<Extract<Answer, { kind: 'json' }>> => {
  const request = embeddingsFor(body, model, quirks)
  const text = await host.whole({
    path: pathOf(model, 'embeddings'),
    body: JSON.stringify(request),
    signal,
    trace,
  })
  const answer = wholeAnswer(text)
  const mendedVectors = mendVectors(answer.data, body)
  const changed = countInput(answer) || mendedVectors
  return { kind: 'json', text: changed ? JSON.stringify(answer) : text, body: answer }
}

/** Some count only the total, which for embeddings is the input. */
const countInput = ({ usage }: WireAnswer & { usage?: { total_tokens?: unknown } | null }): boolean => {
  if (typeof usage?.total_tokens !== 'number' || usage.prompt_tokens !== undefined) return false
  usage.prompt_tokens = usage.total_tokens
  return true
}

import type { Classify, Refusal } from './http-fault.ts'
import type { UpstreamFault } from './provider.ts'
import { anyOf, TOO_LONG_TEXT } from './words.ts'

type Loose = Record<string, unknown>

const set = (...words: string[]): ReadonlySet<string> => new Set(words)

// https://developers.openai.com/api/docs/guides/error-codes; Moonshot: https://platform.kimi.ai/docs/api/errors
const NO_MONEY = set(
  'insufficient_quota',
  'exceeded_current_quota_error',
  'billing_hard_limit_reached',
  'billing_not_active',
  'arrearage',
)
// Azure: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter; Alibaba: data_inspection_failed
const FILTERED = set(
  'content_filter',
  'content_policy_violation',
  'responsibleaipolicyviolation',
  'data_inspection_failed',
  'datainspectionfailed',
)
// Groq: https://console.groq.com/docs/errors and /deprecations; Azure: DeploymentNotFound; Mistral: invalid_model
const MISSING = set(
  'model_not_found',
  'deploymentnotfound',
  'model_decommissioned',
  'model_not_available',
  'invalid_model',
)
// llama.cpp: exceed_context_size_error; GitHub: tokens_limit_reached; Copilot: model_max_prompt_tokens_exceeded
const TOO_LONG = set(
  'context_length_exceeded',
  'string_above_max_length',
  'exceed_context_size_error',
  'tokens_limit_reached',
  'model_max_prompt_tokens_exceeded',
)
const UNFIT = set('unsupported_parameter', 'unsupported_value', 'unknown_parameter')
// Groq, when the model itself wrote what its own server then refused: another try may do better.
const BADLY_WRITTEN = set('tool_use_failed', 'json_validate_failed')
const BUSY = set('rate_limit_exceeded', 'rate_limit_reached_error', 'engine_overloaded_error')

// OpenRouter, Bedrock, LM Studio and Z.ai have words of their own for it.
const MODEL_TEXT = anyOf(
  /model\b.*\b(does not exist|not exist|not found|not available|no longer available|decommissioned)/,
  /not a valid model|model identifier is invalid|invalid model (identifier|name|id)|unknown model|unable to access model/,
)
// Some say with a 400 what others say with a 401 or 402: xAI, Google, Alibaba.
const NO_ACCESS_TEXT =
  /(incorrect|invalid|wrong) api[- ]?key|api[- ]?key (not valid|is invalid|expired)|account is in good standing|insufficient (account )?balance/i
const PREFILL_TEXT =
  /expected last role|prefill|(last|final) message .*(user|assistant)|add_generation_prompt/i
const UNFIT_TEXT =
  /(is|are) (not supported|unsupported|not permitted|not allowed)|does(n't| not) support|unsupported|unrecognized (request )?(argument|parameter|field)|unknown (parameter|field)|extra inputs/i

/** What a refusal of a server that speaks OpenAI's format means, by its body; undefined: what its status tells. */
export const classifyOpenAi: Classify = (refusal) => {
  const { status } = refusal
  const { words, message, flagged } = readRefusal(refusal)
  const says = (known: ReadonlySet<string>): boolean => words.some((word) => known.has(word))
  // More money, not another try, is what would help.
  if (status === 402 || says(NO_MONEY)) return 'unauthorized'
  if (says(FILTERED) || flagged) return 'filtered'
  if (says(BUSY)) return 'rate_limited'
  if (says(MISSING) || (status === 404 && refusal.body !== undefined)) return 'missing'
  if (status !== 400 && status !== 413 && status !== 422) return undefined
  return says(BADLY_WRITTEN) ? 'malformed' : faultOfText(message, says)
}

const faultOfText = (
  message: string,
  says: (known: ReadonlySet<string>) => boolean,
): UpstreamFault | undefined => {
  if (NO_ACCESS_TEXT.test(message)) return 'unauthorized'
  if (says(TOO_LONG) || TOO_LONG_TEXT.test(message)) return 'too_long'
  if (MODEL_TEXT.test(message)) return 'missing'
  return says(UNFIT) || PREFILL_TEXT.test(message) || UNFIT_TEXT.test(message) ? 'unfit' : undefined
}

/** OpenAI has it all under `error`; Mistral at the top; OpenRouter flags in metadata. */
const readRefusal = ({ body, text }: Refusal): { words: string[]; message: string; flagged: boolean } => {
  const top = objectOf(body)
  const error =
    typeof top['error'] === 'string' ? { ...top, message: top['error'] } : objectOf(top['error'] ?? top)
  const inner = objectOf(error['innererror'])
  const words = [error, inner].flatMap((one) => [one['code'], one['type']])
  const metadata = objectOf(error['metadata'])
  return {
    words: words.filter((word) => typeof word === 'string').map((word) => word.toLowerCase()),
    message: typeof error['message'] === 'string' ? error['message'] : text.slice(0, 2_000),
    flagged: Array.isArray(metadata['reasons']) || typeof metadata['flagged_input'] === 'string',
  }
}

const objectOf = (value: unknown): Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {}

import type { Feature } from '../wire/features.ts'
import type { Quirks, Reasoning } from './quirks.ts'
import { allBut, UNCOMMON } from './quirks-openai.ts'

const THINKING = {
  on: { thinking: { type: 'enabled' } },
  off: { thinking: { type: 'disabled' } },
} satisfies Reasoning

// https://api-docs.deepseek.com/api/create-chat-completion, /guides/thinking_mode, /guides/kv_cache
export const DEEPSEEK: Quirks = {
  lacks: [
    ...UNCOMMON,
    'functions',
    'strict_tools',
    'json_schema',
    'metadata',
    'logit_bias',
    'penalties',
    'several_choices',
    'parallel_tool_calls',
    'prefill',
    'seed',
    'top_k',
  ],
  cap: 'max_tokens',
  drops: allBut(),
  noDeveloper: true,
  reasoning: () => ({ ...THINKING, efforts: ['low', 'high', 'max'] }),
  earlier: 'reasoning_content',
  earlierAlways: true,
  usage: ['hits'],
  finish: { insufficient_system_resource: 'broken' },
  embeddings: false,
}

// https://docs.x.ai/docs/guides/reasoning: models that reason refuse penalties and stops; an effort is taken by few
const REASONS: readonly Feature[] = ['penalties', 'stop']
export const XAI: Quirks = {
  lacks: ['top_k', 'reasoning_budget'],
  lacksWith: (model) => {
    const effort = /grok-(3-mini|4\.(?!20)|4\.20-multi-agent|[5-9])/.test(model)
    const reasons = !/non-reasoning|grok-[23](?!-mini)/.test(model)
    return [...(effort ? [] : (['reasoning'] as const)), ...(reasons ? REASONS : [])]
  },
  cap: 'max_completion_tokens',
  drops: allBut('user', 'prompt_cache_key'),
  reasoning: (model) => ({
    efforts: model.includes('grok-3-mini') ? ['low', 'high'] : ['none', 'low', 'medium', 'high'],
  }),
  earlier: 'nowhere',
  // https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/grok/capabilities/reasoning: counted apart
  usage: ['apart'],
}

// https://platform.kimi.ai/docs/api/chat: the kimi models fix their own sampling; images must be inline
const KIMI: readonly Feature[] = ['temperature', 'top_p', 'penalties', 'several_choices']
export const MOONSHOT: Quirks = {
  lacks: [...UNCOMMON, 'functions', 'metadata', 'image_url', 'hot', 'seed', 'top_k', 'parallel_tool_calls'],
  lacksWith: (model) => {
    if (!model.startsWith('kimi-')) return ['reasoning']
    return /^kimi-k2\.[67]/.test(model) ? [...KIMI, 'tool_choice'] : KIMI
  },
  cap: 'max_completion_tokens',
  drops: allBut('prompt_cache_key', 'safety_identifier'),
  noDeveloper: true,
  reasoning: (model) => {
    if (model.startsWith('kimi-k3')) return { efforts: ['low', 'high', 'max'] }
    return model.startsWith('kimi-k2.7') ? { on: THINKING.on } : THINKING
  },
  earlier: 'reasoning_content',
  prefill: 'partial',
  usage: ['choice', 'cached'],
}

// https://docs.z.ai/api-reference/llm/chat-completion
export const ZAI: Quirks = {
  lacks: [
    ...UNCOMMON,
    'functions',
    'json_schema',
    'tool_choice',
    'parallel_tool_calls',
    'metadata',
    'names',
    'penalties',
    'logprobs',
    'logit_bias',
    'several_choices',
    'hot',
    'seed',
    'top_k',
  ],
  cap: 'max_tokens',
  usageUnasked: true,
  drops: allBut(),
  noDeveloper: true,
  stops: 1,
  reasoning: () => THINKING,
  earlier: 'reasoning_content',
  finish: { sensitive: 'content_filter', network_error: 'broken' },
}

// https://www.alibabacloud.com/help/en/model-studio/deep-thinking, /context-cache and /qwen-structured-output
export const ALIBABA: Quirks = {
  lacksWith: (model) => (/^qwen(?!3\.[78])/.test(model) ? ['json_schema'] : []),
  cap: 'max_tokens',
  drops: allBut('cache_control'),
  noDeveloper: true,
  reasoning: () => ({
    on: { enable_thinking: true },
    off: { enable_thinking: false },
    budget: (tokens) => ({ enable_thinking: true, thinking_budget: tokens }),
  }),
  earlier: 'reasoning_content',
  usage: ['writes'],
}

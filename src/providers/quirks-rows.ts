import type { Quirks, Reasoning } from './quirks.ts'
import { ALIBABA, DEEPSEEK, MOONSHOT, XAI, ZAI } from './quirks-labs.ts'
import { allBut, OPENAI, UNCOMMON } from './quirks-openai.ts'

/** `at`: the addresses of a kind. Rows hold what the pages above them say, and nothing else. */
export type Kind = { names: readonly string[]; at?: RegExp; quirks: Quirks }

const levels = (...efforts: NonNullable<Reasoning['efforts']>[number][]): (() => Reasoning) => {
  const reasoning: Reasoning = { efforts }
  return () => reasoning
}

// https://console.groq.com/docs/openai (400 for them) and the reference's "not yet supported by any of our models"
const GROQ: Quirks = {
  lacks: [
    ...UNCOMMON,
    'logprobs',
    'logit_bias',
    'several_choices',
    'names',
    'metadata',
    'penalties',
    'top_k',
  ],
  cap: 'max_completion_tokens',
  // https://console.groq.com/docs/api-reference#chat-create: no stream_options; usage is in x_groq of the last chunk
  usageUnasked: true,
  usage: ['x_groq'],
  drops: allBut('user'),
  reasoning: (model) =>
    model.includes('gpt-oss')
      ? { efforts: ['low', 'medium', 'high'] }
      : model.includes('qwen3.8')
        ? { efforts: ['none', 'low', 'medium', 'high'] }
        : { efforts: ['none'] },
  earlier: 'reasoning',
  embeddings: false,
}

// https://docs.mistral.ai/api/#tag/chat, ids: https://mistralai.github.io/mistral-common/usage/tools/
const MISTRAL: Quirks = {
  lacks: [...UNCOMMON, 'functions', 'logprobs', 'logit_bias', 'top_k', 'names'],
  cap: 'max_tokens',
  usageUnasked: true,
  drops: allBut('prompt_cache_key'),
  noDeveloper: true,
  seed: 'random_seed',
  reasoning: levels('none', 'minimal', 'low', 'medium', 'high', 'xhigh'),
  earlier: 'part',
  prefill: 'prefix',
  shortCallIds: true,
  thinkingParts: true,
  finish: { model_length: 'length', error: 'broken' },
  embeddings: { dimensions: 'output_dimension' },
}

// https://docs.together.ai/reference/chat-completions-1: `logprobs` is a number there, with an answer of its own form
const TOGETHER: Quirks = {
  lacks: [...UNCOMMON, 'functions', 'logprobs', 'metadata', 'parallel_tool_calls'],
  cap: 'max_tokens',
  drops: allBut(),
  noDeveloper: true,
  flat: true,
  stops: 4,
  reasoning: () => ({ efforts: ['low', 'medium', 'high'], off: { reasoning: { enabled: false } } }),
  earlier: 'reasoning_content',
  finish: { eos: 'stop' },
}

// https://docs.fireworks.ai/guides/reasoning
const FIREWORKS: Quirks = {
  cap: 'max_tokens',
  drops: ['cache_control'],
  noDeveloper: true,
  reasoning: () => ({
    efforts: ['none', 'low', 'medium', 'high'],
    budget: (tokens) => ({ thinking: { type: 'enabled', budget_tokens: Math.max(1_024, tokens) } }),
  }),
}

// https://docs.deepinfra.com/chat/overview and /api-reference/openai-chat-completions-1
const DEEPINFRA: Quirks = {
  lacks: [...UNCOMMON, 'functions', 'metadata', 'logit_bias', 'parallel_tool_calls'],
  cap: 'max_tokens',
  drops: allBut('cache_control', 'user', 'prompt_cache_key'),
  noDeveloper: true,
  reasoning: () => ({ efforts: ['low', 'medium', 'high'], off: { reasoning: { enabled: false } } }),
}

// https://openrouter.ai/docs/use-cases/reasoning-tokens and /usage-accounting
const OPENROUTER: Quirks = {
  cap: 'max_completion_tokens',
  finish: { error: 'broken' },
  reasoning: () => ({ object: true }),
}

// https://inference-docs.cerebras.ai/api-reference/chat-completions
const CEREBRAS: Quirks = {
  lacks: [...UNCOMMON, 'functions', 'metadata', 'top_k'],
  cap: 'max_completion_tokens',
  drops: allBut('user', 'prompt_cache_key', 'service_tier'),
  noDeveloper: true,
  reasoning: levels('none', 'low', 'medium', 'high'),
  earlier: 'reasoning',
  embeddings: false,
}

// https://docs.cohere.com/docs/compatibility-api: its two lists of parameters
const COHERE: Quirks = {
  lacks: [
    ...UNCOMMON,
    'functions',
    'metadata',
    'logit_bias',
    'logprobs',
    'several_choices',
    'parallel_tool_calls',
    'tool_choice',
    'top_k',
  ],
  cap: 'max_tokens',
  usageUnasked: true,
  drops: allBut(),
  reasoning: levels('none', 'high'),
  earlier: 'nowhere',
  embeddings: { dimensions: false },
}

// https://docs.perplexity.ai/api-reference/chat-completions-post: it searches by itself and calls no functions
const PERPLEXITY: Quirks = {
  lacks: [
    ...UNCOMMON,
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'strict_tools',
    'functions',
    'several_choices',
  ],
  cap: 'max_tokens',
  usageUnasked: true,
  drops: allBut(),
  noDeveloper: true,
}

// https://docs.siliconflow.com/en/api-reference/chat-completions
const thinkingBudget = (tokens: number) => ({
  enable_thinking: true,
  thinking_budget: Math.min(32_768, Math.max(128, tokens)),
})
const SILICONFLOW: Quirks = {
  cap: 'max_tokens',
  noDeveloper: true,
  reasoning: () => ({
    on: { enable_thinking: true },
    off: { enable_thinking: false },
    budget: thinkingBudget,
  }),
  usage: ['hits'],
}

// https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion
const NOVITA: Quirks = {
  lacks: [...UNCOMMON, 'functions', 'metadata', 'parallel_tool_calls'],
  cap: 'max_tokens',
  drops: allBut(),
  noDeveloper: true,
  reasoning: () => ({ on: { enable_thinking: true }, off: { enable_thinking: false } }),
}

// https://docs.voyageai.com/reference/embeddings-api
const VOYAGE: Quirks = {
  drops: allBut(),
  embeddings: { dimensions: 'output_dimension', unnamedFloats: true },
}

// https://docs.ollama.com/api/openai-compatibility: what it does not list it ignores without a word
const OLLAMA: Quirks = {
  lacks: [
    ...UNCOMMON,
    'functions',
    'metadata',
    'logit_bias',
    'several_choices',
    'parallel_tool_calls',
    'tool_choice',
    'top_k',
  ],
  cap: 'max_tokens',
  noDeveloper: true,
  reasoning: levels('none', 'low', 'medium', 'high'),
}

// https://ai.google.dev/gemini-api/docs/openai: total_tokens counts the thoughts, completion_tokens does not
const GOOGLE: Quirks = {
  lacks: ['reasoning_budget'],
  usage: ['apart'],
  reasoning: levels('none', 'minimal', 'low', 'medium', 'high'),
}

// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html, with a Bedrock API key
const BEDROCK: Quirks = { cap: 'max_completion_tokens', drops: ['cache_control'] }

// https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: the v1 path, or deployments with an api-version
const AZURE: Quirks = { ...OPENAI, keyHeader: true, deployments: true }

/** Servers that tell of no difference: vLLM and SGLang end with these words what they could not finish. */
export const PLAIN: Quirks = { finish: { error: 'broken', abort: 'broken' } }

export const KINDS: readonly Kind[] = [
  { names: ['openai'], at: /^https:\/\/[\w.-]*api\.openai\.com/, quirks: OPENAI },
  {
    names: ['azure', 'azure-cognitive-services'],
    at: /\.(openai\.azure|cognitiveservices\.azure|services\.ai\.azure)\.com/,
    quirks: AZURE,
  },
  { names: ['deepseek'], at: /^https:\/\/api\.deepseek\.com/, quirks: DEEPSEEK },
  { names: ['xai'], at: /^https:\/\/[\w.-]*api\.x\.ai/, quirks: XAI },
  { names: ['mistral'], at: /^https:\/\/[\w.-]+\.mistral\.ai/, quirks: MISTRAL },
  { names: ['groq'], at: /^https:\/\/api\.groq\.com/, quirks: GROQ },
  { names: ['togetherai', 'together'], at: /^https:\/\/api\.together\.(xyz|ai)/, quirks: TOGETHER },
  { names: ['fireworks-ai', 'fireworks'], at: /^https:\/\/api\.fireworks\.ai/, quirks: FIREWORKS },
  { names: ['deepinfra'], at: /^https:\/\/api\.deepinfra\.com/, quirks: DEEPINFRA },
  { names: ['openrouter'], at: /^https:\/\/openrouter\.ai/, quirks: OPENROUTER },
  { names: ['cerebras'], at: /^https:\/\/api\.cerebras\.ai/, quirks: CEREBRAS },
  { names: ['moonshotai', 'moonshotai-cn'], at: /^https:\/\/api\.moonshot\.(ai|cn)/, quirks: MOONSHOT },
  { names: ['cohere'], at: /^https:\/\/api\.cohere\.(ai|com)\/compatibility/, quirks: COHERE },
  { names: ['perplexity'], at: /^https:\/\/api\.perplexity\.ai/, quirks: PERPLEXITY },
  {
    names: ['siliconflow', 'siliconflow-cn'],
    at: /^https:\/\/api\.siliconflow\.(com|cn)/,
    quirks: SILICONFLOW,
  },
  { names: ['alibaba', 'alibaba-cn'], at: /^https:\/\/dashscope[\w-]*\.aliyuncs\.com/, quirks: ALIBABA },
  { names: ['zai', 'zhipuai'], at: /^https:\/\/(api\.z\.ai|open\.bigmodel\.cn)/, quirks: ZAI },
  { names: ['novita-ai', 'novita'], at: /^https:\/\/api\.novita\.ai/, quirks: NOVITA },
  { names: ['voyage'], at: /^https:\/\/api\.voyageai\.com/, quirks: VOYAGE },
  { names: ['ollama'], at: /:11434\b|^https:\/\/ollama\.com/, quirks: OLLAMA },
  { names: ['google'], at: /^https:\/\/generativelanguage\.googleapis\.com\/[^/]+\/openai/, quirks: GOOGLE },
  // Of these their pages tell of no difference.
  { names: ['vllm', 'lmstudio', 'nebius', 'other'], quirks: PLAIN },
  { names: ['amazon-bedrock', 'bedrock'], at: /\bbedrock-(runtime|mantle)\./, quirks: BEDROCK },
]

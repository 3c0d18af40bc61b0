import type { KnownProvider } from '../../src/catalog/builtin.ts'
import type { ProviderRow } from './rows.ts'

/** Providers that are left out of the built-in catalogue, and why. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  'alibaba-cn': 'bills in CNY',
  'amazon-bedrock': 'requests are signed with AWS credentials',
  azure: 'model ids are the names of your own deployments',
  'azure-cognitive-services': 'model ids are the names of your own deployments',
  'cloudflare-ai-gateway': 'no base URL without an account and a gateway',
  'github-models': 'rate-limited trial at no price',
  'google-vertex': 'requests are signed with Google credentials',
  'google-vertex-anthropic': 'requests are signed with Google credentials',
  llama: 'preview at no price',
  'minimax-cn': 'bills in CNY',
  'moonshotai-cn': 'bills in CNY',
  nova: 'preview at no price',
  perplexity: 'a fee for each request, beside tokens',
  'perplexity-agent': 'a fee for each search, and the Responses API only',
  poe: 'bills in points',
  poolside: 'preview at no price',
  sakana: 'the Responses API only',
  'sap-ai-core': 'no base URL',
  'siliconflow-cn': 'bills in CNY',
  v0: 'no base URL',
  zhipuai: 'bills in CNY',
}

// What the sources lack or have for another kind of client.
const BY_HAND: Readonly<Record<string, Partial<KnownProvider>>> = {
  anthropic: { type: 'anthropic' },
  'cloudflare-workers-ai': { env: ['CLOUDFLARE_API_KEY', 'CLOUDFLARE_API_TOKEN'] },
  cohere: { baseUrl: 'https://api.cohere.ai/compatibility/v1' },
  databricks: { env: ['DATABRICKS_TOKEN'] },
  google: {
    type: 'gemini',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    env: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENERATIVE_AI_API_KEY'],
  },
  jina: { name: 'Jina AI', baseUrl: 'https://api.jina.ai/v1', env: ['JINA_API_KEY'] },
  minimax: { type: 'anthropic' },
  togetherai: { baseUrl: 'https://api.together.xyz/v1' },
  venice: { baseUrl: 'https://api.venice.ai/api/v1' },
  vercel: { baseUrl: 'https://ai-gateway.vercel.sh/v1' },
  voyage: { name: 'Voyage AI', baseUrl: 'https://api.voyageai.com/v1', env: ['VOYAGE_API_KEY'] },
}

/** Providers that can be called with an API key, by id; sorted. */
export const providersOf = (rows: readonly ProviderRow[]): KnownProvider[] => {
  const byId = new Map(rows.map((row) => [row.id, row]))
  const ids = new Set([...rows.filter((row) => row.taken).map((row) => row.id), ...Object.keys(BY_HAND)])
  return [...ids]
    .filter((id) => !(id in LEFT_OUT))
    .sort()
    .map((id) => {
      const row = byId.get(id)
      const own = BY_HAND[id]
      const baseUrl = (own?.baseUrl ?? row?.api_base ?? '').replace(/\/+$/, '')
      if (baseUrl === '') throw new Error(`${id}: has no base URL`)
      return {
        id,
        name: own?.name ?? row?.name ?? id,
        type: own?.type ?? 'openai',
        baseUrl,
        env: own?.env ?? row?.env ?? [],
        ...(row?.class === 'aggregator' ? { reseller: true as const } : {}),
      }
    })
}

/** Providers that serve a lab's models first hand. */
export const MAKER: Readonly<Record<string, string>> = {
  alibaba: 'alibaba',
  anthropic: 'anthropic',
  cohere: 'cohere',
  deepseek: 'deepseek',
  google: 'google',
  inception: 'inception',
  jina: 'jina',
  minimax: 'minimax',
  mistral: 'mistral',
  moonshotai: 'moonshotai',
  openai: 'openai',
  stepfun: 'stepfun',
  upstage: 'upstage',
  voyage: 'voyage',
  xai: 'xai',
  xiaomi: 'xiaomi',
  zhipuai: 'zai',
}

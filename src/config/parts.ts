import { z } from 'zod'
import { KIND_NAMES } from '../providers/quirks.ts'
import { envName } from './check.ts'
import { address, count, id, rate, url, usd } from './fields.ts'
import { maxConcurrent } from './limits.ts'

const asset = z.strictObject({
  symbol: z.string().min(1).max(20).describe('What people call it: USDC, USDT'),
  address: address
    .optional()
    .describe(
      'The token contract; may be left out, with all below, for a token of a main chain that Farebox knows',
    ),
  decimals: z.int().min(0).max(36).optional().describe('Checked against the contract at the start'),
  name: z.string().optional().describe('EIP-712 domain name; checked at the start'),
  version: z.string().optional().describe('EIP-712 domain version; checked at the start'),
  methods: z
    .array(z.enum(['eip3009', 'permit2']))
    .min(1)
    .optional()
    .describe('How it can be paid: by its own authorizations, or through Permit2'),
  eip2612: z
    .boolean()
    .optional()
    .describe('It takes signed allowances (permit), so that a first payment needs no gas'),
})

/** A chain that is paid on, with its tokens. */
export const chain = z.strictObject({
  id: z
    .string()
    .regex(/^eip155:[1-9]\d{0,14}$/, 'must be a CAIP-2 id such as eip155:8453')
    .describe('CAIP-2 chain id'),
  rpc: z.array(url).min(1).describe('JSON-RPC URLs, equal in rank; the next is asked when one fails'),
  payTo: address.describe('Where payments go; best a cold address'),
  confirmations: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .describe('Blocks until a payment counts as settled, its own included'),
  pollMs: z.int().min(50).max(60_000).default(500).describe('How often the chain is looked at, ms'),
  agreeAboveUsd: usd
    .prefault('1.00')
    .describe('Payments above this need the word of two nodes, where two RPC URLs are given'),
  maxHeadAgeSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .describe(
      'Not ready when the newest block is older; default 20 blocks of this chain and at least a minute; 0: never',
    ),
  maxFeeGwei: z.number().positive().default(500).describe('Never pay more per gas'),
  nativeUsd: usd
    .optional()
    .describe(
      'What its own coin is worth; when given, payments that are not worth their gas are raised, and the rest becomes credit',
    ),
  assets: z.array(asset).min(1).describe('Tokens that are taken'),
})

/** Facilitators: one that settles for us, and the one that we are to others. */
export const facilitator = z.strictObject({
  url: url
    .optional()
    .describe('Settle `exact` through this x402 facilitator, https; what it says is proven on the chain'),
  coinbase: z
    .boolean()
    .default(false)
    .describe('Settle `exact` through Coinbase; needs the package @coinbase/x402 and the two key variables'),
  keyIdEnv: envName.optional().describe('Environment variable with the id of the Coinbase key'),
  keySecretEnv: envName.optional().describe('Environment variable with the secret of the Coinbase key'),
  keyEnv: envName.optional().describe('Environment variable with the key that `url` wants as a bearer token'),
  timeoutMs: z
    .int()
    .min(100)
    .max(120_000)
    .default(10_000)
    .describe('Longest wait for one of its answers, ms'),
  fallback: z
    .enum(['own', 'none'])
    .default('own')
    .describe('own: what it refuses or leaves undone is settled by our own key'),
  fallbackAfterMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(60_000)
    .describe('Left undone means: for this long, ms'),
  serve: z
    .strictObject({
      enabled: z
        .boolean()
        .default(false)
        .describe('Be a facilitator: POST /verify and /settle, GET /supported; also `serve --facilitator`'),
      keysEnv: envName
        .optional()
        .describe('Environment variable with keys, separated by commas; without it, local callers only'),
      maxOpen: count.default(100).describe('Most payments of others on their way at once: bounds the gas'),
      timeoutMs: z
        .int()
        .min(0)
        .max(300_000)
        .default(20_000)
        .describe('Longest wait for a proof, ms; then the answer is settlement_pending'),
    })
    .prefault({}),
})

/** Where answers come from. */
export const provider = z.strictObject({
  id: id.describe(
    'Your name for it; one that the catalogue knows (openai, anthropic, google, groq, openrouter …) serves its models, and needs no more than its key',
  ),
  catalog: id
    .optional()
    .describe('Whose models of the catalogue it serves, where its id does not say; none: only those listed'),
  type: z
    .enum(['openai', 'anthropic', 'gemini', 'simulated'])
    .describe(
      'openai: anything that speaks POST /chat/completions; anthropic: anything that speaks POST /v1/messages; gemini: Google’s own API; simulated: needs no network',
    ),
  kind: z
    .enum(KIND_NAMES)
    .optional()
    .describe(
      'Whose server it is, such as azure, deepseek, mistral; when absent its address tells, or its id; other: it has no ways of its own',
    ),
  baseUrl: url.optional().describe('Such as https://api.openai.com/v1'),
  keyEnv: envName.optional().describe('Environment variable with the API key'),
  maxTokensField: z
    .enum(['max_tokens', 'max_completion_tokens'])
    .optional()
    .describe('Field that caps output, where its kind does not tell'),
  firstByteMs: count
    .default(30_000)
    .describe(
      'Longest wait for the first byte of a stream, all attempts of a call together, ms; an answer in one piece may take five times as long',
    ),
  idleMs: count.default(60_000).describe('Longest silence inside a stream, ms'),
  maxConcurrent,
})

const plainRates = {
  inputPerMillion: rate,
  cachedInputPerMillion: rate.optional(),
  cacheWritePerMillion: rate.optional(),
  outputPerMillion: rate,
}

/** Prices as an operator writes them. */
export const rates = {
  ...plainRates,
  tiers: z
    .array(z.strictObject({ over: count, ...plainRates }))
    .optional()
    .describe('Other prices for the whole of a request with more than `over` input tokens'),
}

/** What is sold. */
export const model = z.strictObject({
  id: id.describe('What callers ask for, such as openai/gpt-4o-mini'),
  kind: z.enum(['chat', 'embedding']).default('chat').describe('What it makes: answers or vectors'),
  hosts: z
    .array(z.strictObject({ provider: id, model: id, ...z.strictObject(rates).partial().shape }))
    .min(1)
    .describe('Where it answers; a host may have prices of its own'),
  ...rates,
  context: count.default(128_000).describe('Input and output tokens together'),
  maxOutput: count.default(16_384).describe('Most tokens it writes'),
  imageTokens: z
    .strictObject({ low: count, high: count })
    .default({ low: 300, high: 3_000 })
    .describe('Input tokens of one image at most'),
  capabilities: z
    .array(z.enum(['tools', 'vision', 'json_schema', 'reasoning', 'audio', 'video', 'pdf', 'no_temperature']))
    .optional()
    .describe('What it can do; when absent everything is tried'),
})

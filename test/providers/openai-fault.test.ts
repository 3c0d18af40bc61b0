import { expect, test } from 'vitest'
import { classify as classifyMessages } from '../../src/providers/anthropic/fault.ts'
import { statusFault } from '../../src/providers/http-fault.ts'
import { retryAfterOf } from '../../src/providers/http-retry.ts'
import { classifyOpenAi } from '../../src/providers/openai-fault.ts'

const fault = (status: number, body: unknown): string =>
  statusFault(status, undefined, typeof body === 'string' ? body : JSON.stringify(body), {
    classify: classifyOpenAi,
  }).fault

// As each provider's own pages show them.
test.each<[string, number, string, unknown]>([
  [
    'OpenAI',
    400,
    'too_long',
    {
      error: {
        message:
          "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    },
  ],
  [
    'OpenAI',
    404,
    'missing',
    {
      error: {
        message: 'The model `gpt-9` does not exist or you do not have access to it.',
        type: 'invalid_request_error',
        param: null,
        code: 'model_not_found',
      },
    },
  ],
  [
    'OpenAI',
    429,
    'unauthorized',
    {
      error: {
        message: 'You exceeded your current quota, please check your plan and billing details.',
        type: 'insufficient_quota',
        param: null,
        code: 'insufficient_quota',
      },
    },
  ],
  [
    'OpenAI',
    429,
    'rate_limited',
    {
      error: {
        message: 'Rate limit reached for gpt-4o',
        type: 'tokens',
        param: null,
        code: 'rate_limit_exceeded',
      },
    },
  ],
  [
    'OpenAI',
    400,
    'unfit',
    {
      error: {
        message:
          "Unsupported value: 'temperature' does not support 0.9 with this model. Only the default (1) value is supported.",
        type: 'invalid_request_error',
        param: 'temperature',
        code: 'unsupported_value',
      },
    },
  ],
  [
    'OpenAI',
    400,
    'unfit',
    {
      error: {
        message: "Unsupported parameter: 'max_tokens' is not supported with this model.",
        type: 'invalid_request_error',
        param: 'max_tokens',
        code: 'unsupported_parameter',
      },
    },
  ],
  [
    'OpenAI',
    400,
    'filtered',
    {
      error: {
        message: 'Your request was rejected as a result of our safety system.',
        type: 'invalid_request_error',
        param: null,
        code: 'content_policy_violation',
      },
    },
  ],
  [
    'OpenAI',
    400,
    'rejected',
    {
      error: {
        message: "Invalid type for 'messages[0].content'",
        type: 'invalid_request_error',
        param: 'messages[0].content',
        code: 'invalid_type',
      },
    },
  ],
  [
    'OpenAI',
    401,
    'unauthorized',
    {
      error: {
        message: 'Incorrect API key provided',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
      },
    },
  ],
  [
    'Azure',
    400,
    'filtered',
    {
      error: {
        message: 'The response was filtered',
        type: null,
        param: 'prompt',
        code: 'content_filter',
        status: 400,
        innererror: { code: 'ResponsibleAIPolicyViolation' },
      },
    },
  ],
  [
    'Azure',
    404,
    'missing',
    {
      error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' },
    },
  ],
  [
    'DeepSeek',
    402,
    'unauthorized',
    {
      error: {
        message: 'Insufficient Balance',
        type: 'unknown_error',
        param: null,
        code: 'invalid_request_error',
      },
    },
  ],
  [
    'DeepSeek',
    400,
    'missing',
    {
      error: {
        message: 'Model Not Exist',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_request_error',
      },
    },
  ],
  [
    'xAI',
    400,
    'unfit',
    {
      code: 'Client specified an invalid argument',
      error: 'Model grok-4 does not support parameter reasoningEffort.',
    },
  ],
  [
    'Mistral',
    422,
    'unfit',
    {
      object: 'error',
      message: { detail: [{ type: 'extra_forbidden' }] },
      detail: [{ type: 'extra_forbidden', loc: ['body', 'store'], msg: 'Extra inputs are not permitted' }],
    },
  ],
  [
    'Mistral',
    400,
    'unfit',
    {
      object: 'error',
      message:
        'Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant',
      type: 'invalid_request_message_order',
      param: null,
      code: '3230',
    },
  ],
  [
    'Mistral',
    400,
    'missing',
    { object: 'error', message: 'Invalid model: nope', type: 'invalid_model', param: null, code: '1500' },
  ],
  [
    'Groq',
    400,
    'unfit',
    {
      error: {
        message:
          "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]",
        type: 'invalid_request_error',
      },
    },
  ],
  [
    'Groq',
    400,
    'malformed',
    {
      error: {
        message: 'Failed to call a function. Please adjust your prompt.',
        type: 'invalid_request_error',
        code: 'tool_use_failed',
        failed_generation: '<function=x>',
      },
    },
  ],
  [
    'Groq',
    413,
    'rate_limited',
    {
      error: {
        message: 'Request too large for model on tokens per minute (TPM)',
        type: 'tokens',
        code: 'rate_limit_exceeded',
      },
    },
  ],
  [
    'Groq',
    400,
    'missing',
    {
      error: {
        message: 'The model `x` has been decommissioned and is no longer supported.',
        type: 'invalid_request_error',
        code: 'model_decommissioned',
      },
    },
  ],
  [
    'Together',
    422,
    'too_long',
    {
      error: {
        message:
          'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: too many tokens',
        type: 'invalid_request_error',
      },
    },
  ],
  [
    'OpenRouter',
    403,
    'filtered',
    {
      error: {
        code: 403,
        message: 'Your input was flagged',
        metadata: { reasons: ['violence'], flagged_input: 'a...b', provider_name: 'OpenAI', model_slug: 'x' },
      },
    },
  ],
  ['OpenRouter', 402, 'unauthorized', { error: { code: 402, message: 'Insufficient credits' } }],
  [
    'Moonshot',
    400,
    'filtered',
    {
      error: {
        type: 'content_filter',
        message: 'The request was rejected because it was considered high risk',
      },
    },
  ],
  [
    'Moonshot',
    400,
    'too_long',
    { error: { type: 'invalid_request_error', message: 'Your request exceeded model token limit : 8192' } },
  ],
  [
    'Moonshot',
    400,
    'too_long',
    { error: { type: 'invalid_request_error', message: 'Input token length too long' } },
  ],
  [
    'Moonshot',
    429,
    'unauthorized',
    { error: { type: 'exceeded_current_quota_error', message: 'Your account is not active' } },
  ],
  [
    'Moonshot',
    429,
    'rate_limited',
    {
      error: {
        type: 'engine_overloaded_error',
        message: 'The engine is currently overloaded, please try again later',
      },
    },
  ],
  [
    'vLLM',
    400,
    'too_long',
    {
      object: 'error',
      message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
      type: 'BadRequestError',
      param: null,
      code: 400,
    },
  ],
  [
    'vLLM',
    404,
    'missing',
    {
      object: 'error',
      message: 'The model `x` does not exist.',
      type: 'NotFoundError',
      param: null,
      code: 404,
    },
  ],
  [
    'Ollama',
    404,
    'missing',
    {
      error: {
        message: 'model "x" not found, try pulling it first',
        type: 'api_error',
        param: null,
        code: null,
      },
    },
  ],
  [
    'Alibaba',
    400,
    'filtered',
    {
      error: {
        code: 'data_inspection_failed',
        param: null,
        message: 'Input data may contain inappropriate content.',
        type: 'data_inspection_failed',
      },
    },
  ],
  [
    'Alibaba',
    400,
    'too_long',
    {
      error: {
        code: 'invalid_parameter_error',
        message: 'Range of input length should be [1, 129024]',
        type: 'invalid_request_error',
      },
    },
  ],
  ['a wrong address', 404, 'unavailable', '<html>404 Not Found</html>'],
  ['a proxy', 502, 'unavailable', '<html>'],
])('%s: %i is %s', (_, status, expected, body) => {
  expect(fault(status, body)).toBe(expected)
})

const NOW = Date.parse('2026-01-01T00:00:00Z')
test.each<[Record<string, string>, number | undefined]>([
  [{ 'retry-after': '7' }, 7_000],
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:20 GMT' }, 20_000],
  [{ 'retry-after': 'Thu, 01 Jan 2020 00:00:20 GMT' }, 0],
  [{ 'retry-after': '7', 'retry-after-ms': '250' }, 250],
  [{ 'retry-after': '-7' }, undefined],
  [{ 'retry-after': '' }, undefined],
  [{ 'retry-after': '999999999' }, 3_600_000],
  [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s' }, 360_000],
  [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '7.66s' }, 7_660],
  [{ 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '20ms' }, 20],
  [{ 'x-ratelimit-remaining-tokens': '9', 'x-ratelimit-reset-tokens': '6m0s' }, undefined],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1767225605000' }, 5_000],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1767225605' }, 5_000],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '3' }, 3_000],
  [{}, undefined],
])('%j asks to wait %s ms', (headers, ms) => {
  expect(retryAfterOf((name) => headers[name], NOW)).toBe(ms)
})

test.each([
  [
    'llama.cpp',
    'request (66202 tokens) exceeds the available context size (65536 tokens), try increasing it',
  ],
  ['llama.cpp', 'Context size has been exceeded.'],
  ['vLLM', 'The decoder prompt (length 5000) is longer than the maximum model length of 4096.'],
  ['SGLang', "The input (5000 tokens) is longer than the model's context length (4096 tokens)."],
  ['Text Generation Inference', '`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 and 100'],
  ['Text Generation Inference', '`inputs` must have less than 4095 tokens. Given: 5000'],
  ['SiliconFlow', 'length of prompt_tokens (39402) must be less than max_seq_len (32768).'],
  ['Volcengine', 'Total tokens of image and text exceed max message tokens.'],
  ['Z.ai', 'Prompt exceeds max length'],
  ['Copilot', 'prompt token count of 130000 exceeds the limit of 128000'],
  ['Bedrock', 'Input Tokens Exceeded: Number of input tokens exceeds maximum length.'],
  ['Bedrock', 'Input is too long for requested model.'],
  ['MiniMax', 'invalid params, context window exceeds limit (2013)'],
])('%s says in its own words that a request is too long: %s', (_, message) => {
  expect(fault(400, { error: { message, type: 'invalid_request_error', code: null } })).toBe('too_long')
  const body = { type: 'error', error: { type: 'invalid_request_error', message } }
  expect(classifyMessages({ status: 400, text: '', body })).toBe('too_long')
})

test.each([
  ['GitHub Models', 413, 'too_long', { error: { code: 'tokens_limit_reached', message: 'Too large.' } }],
  ['OpenRouter', 400, 'missing', { error: { code: 400, message: 'xyz is not a valid model ID' } }],
  ['Bedrock', 400, 'missing', { message: 'The provided model identifier is invalid.' }],
  [
    'Z.ai',
    400,
    'missing',
    { error: { code: '1211', message: 'Unknown Model, please check the model code.' } },
  ],
  [
    'xAI',
    400,
    'unauthorized',
    { code: 'Client specified an invalid argument', error: 'Incorrect API key provided: xai-***.' },
  ],
  [
    'Google',
    400,
    'unauthorized',
    [{ error: { code: 400, message: 'API key not valid. Please pass another.' } }],
  ],
  [
    'Alibaba',
    400,
    'unauthorized',
    {
      error: {
        code: 'Arrearage',
        message: 'Access denied, please make sure your account is in good standing.',
      },
    },
  ],
  ['anybody', 400, 'rejected', { error: { message: "Invalid value for 'messages[0].content'." } }],
  ['anybody', 400, 'rejected', { error: { message: 'The length of the tool name exceeds 64 characters.' } }],
])('what is wrong at %s and no fault of the request is not told as one (%i: %s)', (_, status, want, body) => {
  expect(fault(status, body)).toBe(want)
})

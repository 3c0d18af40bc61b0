import { anthropicProvider } from '../../src/providers/anthropic.ts'
import { geminiProvider } from '../../src/providers/gemini.ts'
import { openAiProvider } from '../../src/providers/openai.ts'
import { describeProvider } from './contract.ts'
import { fixture } from './reading.ts'

const clock = { now: () => 1_700_000_000_000, sleep: async () => {} }
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

describeProvider({
  name: 'openai',
  open: (baseUrl, limits) => openAiProvider({ id: 'up', baseUrl, key: 'secret-key', ...limits }),
  model: 'gpt-5.2',
  says: {
    text: { text: 'Hello!', billed: { input: 19, cached: 0, output: 10 } },
    stream: { text: 'Hello!', billed: { input: 19, cached: 0, output: 10 } },
    tools: {
      billed: { input: 82, cached: 0, output: 34 },
      calls: [
        { name: 'weather', arguments: { city: 'Paris' } },
        { name: 'weather', arguments: { city: 'London' } },
      ],
    },
    thinking: {
      text: 'Hello!',
      reasoning: 'A greeting is due.',
      billed: { input: 9, cached: 0, output: 42 },
    },
    cache: { input: 60, cached: 40, output: 2 },
  },
  finishes: [
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'tool_calls'],
    ['content_filter', 'content_filter'],
  ],
  ended: (finish_reason) => ({
    id: 'x',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason }],
  }),
  word: (content) => event({ id: 'x', choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
  faults: [
    [400, 'too_long', { error: { message: 'too many', code: 'context_length_exceeded' } }],
    [400, 'filtered', { error: { message: 'no', code: 'content_policy_violation' } }],
    [400, 'rejected', { error: { message: 'wrong', code: 'invalid_type' } }],
    [401, 'unauthorized', { error: { message: 'no', code: 'invalid_api_key' } }],
    [404, 'missing', { error: { message: 'no', code: 'model_not_found' } }],
    [429, 'rate_limited', { error: { message: 'slow', code: 'rate_limit_exceeded' } }],
    [429, 'unauthorized', { error: { message: 'pay', code: 'insufficient_quota' } }],
    [500, 'unavailable', { error: { message: 'oh', type: 'server_error' } }],
    [503, 'unavailable', { error: { message: 'busy' } }],
    [504, 'timeout', {}],
  ],
  keepsake: 'A greeting is due.',
})

describeProvider({
  name: 'gemini',
  open: (url, limits) => geminiProvider({ id: 'up', baseUrl: url, key: 'secret-key', clock, ...limits }),
  model: 'gemini-2.5-flash',
  says: {
    text: { text: 'Hello!', billed: { input: 9, cached: 0, output: 2 } },
    stream: { text: 'Hello!', billed: { input: 9, cached: 0, output: 2 } },
    tools: {
      billed: { input: 72, cached: 0, output: 48 },
      calls: [
        { name: 'weather', arguments: { city: 'Paris' } },
        { name: 'weather', arguments: { city: 'London' } },
      ],
    },
    thinking: {
      text: 'Hello!',
      reasoning: 'A greeting is due.',
      billed: { input: 9, cached: 0, output: 42 },
    },
    cache: { input: 60, cached: 40, output: 2 },
  },
  finishes: [
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['BLOCKLIST', 'content_filter'],
  ],
  ended: (finishReason) => ({
    candidates: [{ content: { role: 'model', parts: [{ text: 'Hi' }] }, finishReason, index: 0 }],
  }),
  word: (text) => event({ candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0 }] }),
  faults: JSON.parse(fixture('gemini/errors.json')),
  keepsake: 'sigB',
})

type Rows = [number, string, string, string][]

describeProvider({
  name: 'anthropic',
  open: (url, limits) => anthropicProvider({ id: 'up', baseUrl: url, key: 'secret-key', clock, ...limits }),
  model: 'claude-sonnet-4-5',
  says: {
    text: { text: 'Hi! My name is Claude.', billed: { input: 25, cached: 0, output: 9 } },
    stream: { text: 'Hello!', billed: { input: 25, cached: 0, output: 15 } },
    tools: {
      billed: { input: 472, cached: 0, output: 89 },
      calls: [
        { name: 'get_weather', arguments: { location: 'San Francisco, CA', unit: 'celsius' } },
        { name: 'get_time', arguments: {} },
      ],
    },
    thinking: {
      text: 'Based on my analysis...',
      reasoning: 'Let me analyze this step by step...',
      billed: { input: 43, cached: 0, output: 282 },
    },
    toolsStream: {
      billed: { input: 472, cached: 0, output: 89 },
      calls: [
        { name: 'get_weather', arguments: { location: 'San Francisco, CA' } },
        { name: 'get_time', arguments: {} },
      ],
    },
    thinkingStream: {
      text: 'The greatest common divisor is **21**.',
      reasoning: 'I need to find the GCD of 1071 and 462.',
      billed: { input: 43, cached: 0, output: 120 },
    },
    cache: { input: 190_155, cached: 188_086, output: 393 },
  },
  finishes: [
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['tool_use', 'tool_calls'],
    ['refusal', 'content_filter'],
  ],
  ended: (stop_reason) => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason,
    usage: { input_tokens: 1, output_tokens: 1 },
  }),
  word: (text) =>
    event({ type: 'message_start', message: { id: 'msg_1', model: 'claude', usage: { input_tokens: 1 } } }) +
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  faults: (JSON.parse(fixture('anthropic/errors.json')) as Rows).map(([status, type, message, fault]) => [
    status,
    fault,
    { type: 'error', error: { type, message } },
  ]),
  keepsake: 'WaUjzkypQ2mUEVM36O2TxuC06KN8xyfbJwyem2dw3URve',
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Code, REFUSALS } from '../../src/errors.ts'
import { post } from '../support/pay.ts'
import { costingNothing, told } from '../support/refused.ts'
import { hello, startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

const user = (content: unknown) => [{ role: 'user', content }]
const raw = (body: RequestInit['body'], headers: Record<string, string>) => () =>
  fetch(world.chat, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
    duplex: 'half',
  } as RequestInit)

const chunked = (size: number): ReadableStream =>
  new ReadableStream({
    start: (controller) => {
      for (let sent = 0; sent < size; sent += 65_536) controller.enqueue(new Uint8Array(65_536).fill(32))
      controller.close()
    },
  })

const body = (more: Record<string, unknown>) => () => post(world.chat, hello(more))
const text = (json: string) => () => post(world.chat, json)

const CASES: [title: string, send: () => Promise<Response>, expected: string | RegExp][] = [
  ['half an object', text('{"model":'), '400 invalid_json The body is not valid JSON.'],
  ['nothing at all', text(''), '400 invalid_json The body is not valid JSON.'],
  [
    'bytes that are not UTF-8',
    raw(new Uint8Array([123, 34, 255, 34, 125]), {}),
    '400 invalid_json The body is not valid JSON.',
  ],
  ['a list', text('[]'), '400 invalid_request body: Invalid input: expected object, received array'],
  [
    'a bare string',
    text('"hi"'),
    '400 invalid_request body: Invalid input: expected object, received string',
  ],
  [
    'lists 100,000 deep',
    text('['.repeat(100_000)),
    '400 body_too_deep The body nests deeper than 64 levels or holds too many values.',
  ],
  [
    'lists 100,000 deep in a field',
    text(`{"model":"test/small","messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
    '400 body_too_deep The body nests deeper than 64 levels or holds too many values.',
  ],
  [
    'five megabytes, announced',
    raw(' '.repeat(5 << 20), {}),
    '413 body_too_large The body is larger than 4194304 bytes.',
  ],
  [
    'five megabytes, in chunks',
    raw(chunked(5 << 20), {}),
    '413 body_too_large The body is larger than 4194304 bytes.',
  ],
  [
    'a compressed body',
    raw('x', { 'content-encoding': 'gzip' }),
    '415 media_type_unsupported The body must be uncompressed application/json.',
  ],
  [
    'a form',
    raw('model=x', { 'content-type': 'application/x-www-form-urlencoded' }),
    '415 media_type_unsupported The body must be uncompressed application/json.',
  ],
  [
    'plain text',
    raw('{}', { 'content-type': 'text/plain' }),
    '415 media_type_unsupported The body must be uncompressed application/json.',
  ],
  [
    'no model',
    body({ model: undefined }),
    '400 invalid_request [model] model: Invalid input: expected string, received undefined',
  ],
  [
    'an unknown model',
    body({ model: 'test/none' }),
    '404 model_not_found [model] There is no model test/none here.',
  ],
  [
    'an unknown fallback model',
    body({ models: ['nope'] }),
    '404 model_not_found [models] There is no model nope here.',
  ],
  [
    'a model name with a line break and other scripts',
    body({ model: 'test/small\r\nx-evil: 1 модель' }),
    '404 model_not_found [model] There is no model test/small??x-evil: 1 ?????? here.',
  ],
  [
    'a prototype key',
    text('{"model":"test/small","messages":[],"__proto__":{"stream":true}}'),
    '400 unknown_field [__proto__] Unknown parameter: __proto__.',
  ],
  [
    'a prototype key in a tool',
    text(
      '{"model":"test/small","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"__proto__":{}}}}]}',
    ),
    '400 unknown_field [__proto__] Unknown parameter: __proto__.',
  ],
  [
    'a constructor',
    body({ constructor: { prototype: {} } }),
    '400 unknown_field [constructor] Unknown parameter: constructor.',
  ],
  [
    'no messages',
    body({ messages: [] }),
    '400 invalid_request [messages] messages: Too small: expected array to have >=1 items',
  ],
  [
    'a message of no known kind',
    body({ messages: [{ role: 'robot', content: 'x' }] }),
    `400 invalid_request [messages.0.role] messages.0.role: Invalid discriminator value. Expected 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'`,
  ],
  [
    'a message without words',
    body({ messages: [{ role: 'user' }] }),
    '400 invalid_request [messages.0.content] messages.0.content: Invalid input',
  ],
  [
    'a picture by file URL',
    body({ messages: user([{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }]) }),
    '400 invalid_request [messages.0.content.0.image_url.url] messages.0.content.0.image_url.url: must be an http(s) or data:image URL',
  ],
  [
    'sound in a message',
    body({ messages: user([{ type: 'input_audio', input_audio: {} }]) }),
    `400 invalid_request [messages.0.content.0.type] messages.0.content.0.type: Invalid discriminator value. Expected 'text' | 'image_url'`,
  ],
  [
    'an unknown key in a part',
    body({ messages: user([{ type: 'text', text: 'x', citations: {} }]) }),
    '400 unknown_field [messages.0.content.0.citations] Unknown parameter: messages.0.content.0.citations.',
  ],
  ['nine choices', body({ n: 9 }), '400 invalid_request [n] n: Too big: expected number to be <=8'],
  [
    'no output',
    body({ max_tokens: 0 }),
    '400 invalid_request [max_tokens] max_tokens: Too small: expected number to be >=1',
  ],
  [
    'negative output',
    body({ max_tokens: -1 }),
    '400 invalid_request [max_tokens] max_tokens: Too small: expected number to be >=1',
  ],
  [
    'output without end',
    body({ max_tokens: 1e12 }),
    '400 invalid_request [max_tokens] max_tokens: Too big: expected number to be <=10000000',
  ],
  [
    'half a token',
    body({ max_tokens: 1.5 }),
    '400 invalid_request [max_tokens] max_tokens: Invalid input: expected int, received number',
  ],
  [
    'more output than the model writes',
    body({ max_tokens: 1001 }),
    '400 unsupported_parameter [max_tokens] max_tokens is above 1000, the most this model writes.',
  ],
  [
    'another name for output',
    body({ max_output_tokens: 5 }),
    '400 unknown_field [max_output_tokens] Unknown parameter: max_output_tokens.',
  ],
  [
    'a dear service tier',
    body({ service_tier: 'priority' }),
    '400 invalid_request [service_tier] service_tier: Invalid option: expected one of "auto"|"default"',
  ],
  [
    'web search',
    body({ web_search_options: {} }),
    '400 unknown_field [web_search_options] Unknown parameter: web_search_options.',
  ],
  [
    'a prediction',
    body({ prediction: { type: 'content', content: 'x' } }),
    '400 unknown_field [prediction] Unknown parameter: prediction.',
  ],
  [
    'audio output',
    body({ audio: { voice: 'alloy' } }),
    '400 unknown_field [audio] Unknown parameter: audio.',
  ],
  [
    'an audio modality',
    body({ modalities: ['text', 'audio'] }),
    '400 invalid_request [modalities.1] modalities.1: Invalid input: expected "text"',
  ],
  [
    'another server to ask',
    body({ api_base: 'http://169.254.169.254/' }),
    '400 unknown_field [api_base] Unknown parameter: api_base.',
  ],
  [
    'a conversation longer than the context',
    body({ messages: user('word '.repeat(20_000)) }),
    /^400 context_length_exceeded \[messages\] About \d{5} input tokens and 50 output tokens do not fit into any allowed model \(largest context: 8000\)\.$/,
  ],
  [
    'a price limit below the price',
    body({ max_price_usd: '0.0001' }),
    /^400 price_above_max \[max_price_usd\] The ceiling of \$0\.0001\d* is above your max_price_usd of \$0\.0001\.$/,
  ],
  [
    'a price limit that is a number',
    body({ max_price_usd: 0.05 }),
    '400 invalid_request [max_price_usd] max_price_usd: Invalid input: expected string, received number',
  ],
  [
    'no host left',
    body({ provider: { only: ['nobody'] } }),
    '400 unsupported_parameter [provider] The provider preferences leave no host for this model.',
  ],
  [
    'a payer that is no address',
    () => post(world.chat, hello(), { 'x-farebox-payer': '0x12' }),
    '400 invalid_request [X-Farebox-Payer] X-Farebox-Payer must be an address',
  ],
]

/** What to do next. */
const HINTS: Record<string, string | RegExp> = {
  invalid_json: 'Send one JSON object, UTF-8.',
  invalid_request: 'Correct the named parameter; /openapi.json has the schema.',
  body_too_deep: 'Flatten the body.',
  body_too_large: 'Shorten the request.',
  media_type_unsupported: 'Send Content-Type: application/json and no Content-Encoding.',
  model_not_found: 'GET /v1/models lists what can be called.',
  unknown_field:
    'Leave it out: a parameter that we do not know could cost money, so it is refused and never dropped.',
  unsupported_parameter: 'Leave the parameter out or use a supported value.',
  context_length_exceeded: 'Shorten the messages, lower max_tokens, or choose a model with a larger context.',
  price_above_max:
    /^At most [1-9]\d output tokens fit it: lower max_tokens to that, shorten the messages, or raise max_price_usd\.$/,
}

test.each(CASES)(
  '%s: refused with a reason, and nothing is charged or asked of a provider',
  async (_, send, expected) => {
    const { says, hint, code } = await costingNothing(world, async () => told(await send()))
    expect(says).toMatch(exactly(expected))
    expect(hint).toMatch(exactly(HINTS[code]!))
  },
)

/** Refusals that are shown in other files: there with their status, words and hint, and that they cost nothing. */
const ELSEWHERE: Record<string, Code[]> = {
  'chain/organisations.test.ts': [
    'key_invalid',
    'key_unusable',
    'key_scope',
    'key_mismatch',
    'budget_reached',
    'approval_waiting',
    'approval_invalid',
    'taken_here',
  ],
  'desk/desk.test.ts': ['busy_here', 'not_here', 'forbidden'],
  'http/admin-session.test.ts': ['login_failed', 'login_locked', 'csrf_failed'],
  'http/admin-api.test.ts': ['session_required'],
  'http/metrics.test.ts': ['metrics_forbidden'],
  'chain/limits.test.ts': ['rate_limited', 'overloaded'],
  'admit/slow.test.ts': ['request_too_slow'],
  'chain/refused-payments.test.ts': [
    'payment_headers_conflict',
    'payment_malformed',
    'payment_version_unsupported',
    'payment_scheme_unsupported',
    'payment_network_mismatch',
    'payment_asset_mismatch',
    'payment_recipient_mismatch',
    'payment_amount_mismatch',
    'payment_expired',
    'payment_not_yet_valid',
    'payment_validity_too_long',
    'payment_signature_invalid',
    'payer_is_contract',
    'insufficient_funds',
    'authorization_used',
    'quote_missing',
    'quote_invalid',
    'payment_rejected_before',
  ],
  'chain/quotes.test.ts': ['quote_expired', 'quote_body_mismatch', 'quote_payer_mismatch', 'credit_spent'],
  'chain/replays.test.ts': ['payment_in_flight', 'payment_already_used'],
  'chain/facilitator.test.ts': ['facilitator_busy', 'facilitator_forbidden', 'payment_exceeds_signed'],
  'chain/doors.test.ts': ['not_found', 'method_not_allowed', 'call_not_found'],
  'chain/failover.test.ts': [
    'upstream_rejected',
    'upstream_filtered',
    'upstream_too_long',
    'upstream_failed',
    'upstream_timeout',
    'upstream_busy',
    'payment_released',
  ],
  'chain/bills.test.ts': ['stream_broken'],
  'chain/outages.test.ts': [
    'upstream_failed_credited',
    'receipt_not_ready',
    'settlement_pending',
    'settlement_failed',
    'chain_unavailable',
    'ledger_unavailable',
    'internal',
  ],
  'chain/demand.test.ts': ['payment_required'],
  'chain/idempotency.test.ts': ['answer_not_kept', 'idempotency_conflict'],
  'chain/lost-answers.test.ts': ['answer_lost'],
  'chain/payout.test.ts': [
    'sign_in_required',
    'sign_in_invalid',
    'payout_too_small',
    'payout_short',
    'payout_in_flight',
    'payout_not_found',
    'payout_unavailable',
  ],
  'chain/permit2.test.ts': ['facilitator_mismatch', 'insufficient_allowance'],
  'chain/upto.test.ts': ['exposure_reached', 'stream_cut'],
  'chain/sponsor.test.ts': ['sponsorship_invalid', 'sponsorship_limit'],
  'chain/channel-attacks.test.ts': [
    'channel_config_mismatch',
    'voucher_signature_invalid',
    'channel_mismatch',
    'channel_below_claimed',
    'channel_balance_short',
    'deposit_too_small',
  ],
  'chain/channel-keeper.test.ts': ['channel_withdrawing'],
  'chain/channel-refund.test.ts': ['refund_by_voucher', 'refund_nothing_left', 'refund_amount_invalid'],
  'channel/turns.test.ts': ['channel_busy'],
  'http/app.test.ts': ['shutting_down'],
}

test('every row of the table of refusals has a test', () => {
  const elsewhere = Object.values(ELSEWHERE).flat()
  expect([...Object.keys(HINTS), ...elsewhere].toSorted()).toEqual(Object.keys(REFUSALS).toSorted())
  for (const [file, codes] of Object.entries(ELSEWHERE)) {
    const text = readFileSync(join(import.meta.dirname, '..', file), 'utf8')
    expect(
      codes.filter((code) => !text.includes(code)),
      file,
    ).toEqual([])
  }
})

const exactly = (text: string | RegExp): RegExp =>
  typeof text === 'string' ? new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) : text

/** A request with every field that a caller may send to a provider. */
export const everyField = {
  model: 'test/small',
  messages: [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is on these pictures? 🙂 \u2028 "quoted" \\ é' },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
      ],
    },
  ],
  max_completion_tokens: 60,
  stream: false,
  n: 2,
  seed: 42,
  temperature: 0.7,
  top_p: 0.9,
  frequency_penalty: -0.5,
  presence_penalty: 0.25,
  stop: ['\n\n', 'END'],
  logprobs: true,
  top_logprobs: 5,
  logit_bias: { '50256': -100, '198': 1.5 },
  tools: [
    {
      type: 'function',
      function: {
        name: 'weather',
        description: 'The weather in a city',
        parameters: {
          type: 'object',
          properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1, default: 1e-7 } },
          required: ['city'],
          additionalProperties: false,
        },
        strict: true,
      },
    },
    {
      type: 'custom',
      custom: {
        name: 'sql',
        description: 'A query',
        format: { type: 'grammar', grammar: { syntax: 'lark' } },
      },
    },
  ],
  tool_choice: { type: 'function', function: { name: 'weather' } },
  parallel_tool_calls: false,
  response_format: {
    type: 'json_schema',
    json_schema: {
      name: 'answer',
      description: 'd',
      strict: true,
      schema: { type: 'object', properties: { a: { type: 'null' } } },
    },
  },
  reasoning_effort: 'low',
  verbosity: 'high',
  modalities: ['text'],
  service_tier: 'default',
  store: false,
  metadata: { trace: 'abc', 'x-1': '' },
  user: 'agent-7',
  safety_identifier: 's-1',
  prompt_cache_key: 'k-1',
}

/** A conversation with every kind of message, as answers came back: tool calls, annotations, reasoning, refusals. */
export const everyTurn = [
  { role: 'developer', content: [{ type: 'text', text: 'Use tools.' }] },
  { role: 'user', content: 'Weather in Paris?', name: 'ann' },
  {
    role: 'assistant',
    content: null,
    refusal: null,
    annotations: [{ type: 'url_citation', url_citation: { url: 'https://a', start_index: 0 } }],
    reasoning_content: 'The user wants the weather.',
    tool_calls: [
      {
        id: 'call_1',
        type: 'function',
        function: { name: 'weather', arguments: '{"city":"Paris"}' },
        index: 0,
      },
      { id: 'call_2', type: 'custom', custom: { name: 'sql', input: 'select 1' } },
    ],
  },
  { role: 'tool', content: '{"sky":"grey"}', tool_call_id: 'call_1' },
  { role: 'tool', content: [{ type: 'text', text: '1' }], tool_call_id: 'call_2' },
  {
    role: 'assistant',
    content: [
      { type: 'text', text: 'Grey.' },
      { type: 'refusal', refusal: 'No more.' },
    ],
  },
  { role: 'assistant', content: '', function_call: { name: 'old', arguments: '{}' } },
  { role: 'function', content: 'done', name: 'old' },
  { role: 'user', content: 'Thanks!' },
]

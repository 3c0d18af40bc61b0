import fc from 'fast-check'
import { expect, test } from 'vitest'
import { answerOf } from '../../src/providers/gemini/answer.ts'
import { classify, waitIn } from '../../src/providers/gemini/fault.ts'
import { chunksOf } from '../../src/providers/gemini/stream.ts'
import { mended, mendFor } from '../../src/providers/openai-answer.ts'
import { classifyOpenAi } from '../../src/providers/openai-fault.ts'
import { UpstreamError } from '../../src/providers/provider.ts'
import { quirksOf } from '../../src/providers/quirks.ts'

/** JSON that uses the words of an API at any place and with anything for a value. */
const wordsOf = (words: readonly string[]): fc.Arbitrary<unknown> =>
  fc
    .letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 7 },
        fc.constantFrom(null, '', 'STOP', 'stop', 'sensitive', 'thinking', 'text', 0, -1, 5, true),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 5 }),
      ),
    }))
    .value.map((value) => JSON.parse(JSON.stringify(value)))

const GEMINI = wordsOf(
  'candidates content parts text thought thoughtSignature functionCall name args id finishReason index promptFeedback blockReason usageMetadata promptTokenCount error status details retryDelay'.split(
    ' ',
  ),
)
const OPENAI = wordsOf(
  'choices delta message content type text thinking finish_reason usage prompt_tokens completion_tokens total_tokens prompt_tokens_details cached_tokens completion_tokens_details x_groq error code innererror metadata reasons'.split(
    ' ',
  ),
)

/** Only the error that calls know how to take. */
const orUpstream = (run: () => unknown): void => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(UpstreamError)
  }
}
const drained = async (stream: AsyncIterable<readonly string[]>): Promise<void> => {
  try {
    for await (const batch of stream) for (const data of batch) if (data !== '[DONE]') JSON.parse(data)
  } catch (error) {
    expect(error).toBeInstanceOf(UpstreamError)
  }
}
async function* once(...data: string[]): AsyncGenerator<readonly string[]> {
  yield data
}
const refusal = (body: unknown) => ({ status: 400, text: JSON.stringify(body), body })

test('whatever Google sends is an answer or a fault', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(GEMINI, { minLength: 1, maxLength: 3 }), async (bodies) => {
      for (const body of bodies) {
        if (typeof body === 'object' && body !== null) orUpstream(() => answerOf(body, 1))
        classify(refusal(body))
        waitIn(refusal(body))
      }
      await drained(chunksOf(once(...bodies.map((body) => JSON.stringify(body))), { created: 1, choices: 1 }))
    }),
    { numRuns: 400 },
  )
})

test('whatever a server of OpenAI’s kind sends is mended or a fault', async () => {
  const mends = ['groq', 'mistral', 'moonshotai', 'xai', 'deepseek', 'zai', 'alibaba'].map(
    (kind) => mendFor(quirksOf({ id: '', kind, baseUrl: 'http://x' }), true)!,
  )
  await fc.assert(
    fc.asyncProperty(OPENAI, async (body) => {
      classifyOpenAi(refusal(body))
      for (const mend of mends) {
        if (typeof body === 'object' && body !== null) orUpstream(() => mend.mend(structuredClone(body)))
        await drained(mended(once(JSON.stringify(body)), mend))
      }
    }),
    { numRuns: 400 },
  )
})

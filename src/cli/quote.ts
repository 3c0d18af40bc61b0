import type { ErrorBody } from '../errors.ts'

export type AskOptions = {
  url: string
  model: string
  prompt: string
  maxTokens?: number
  out: (line: string) => void
}

type QuoteAnswer = {
  quote: {
    model: string
    routes: { model: string; provider: string }[]
    expected_usd: string
    ceiling_usd: string
    input_tokens: number
    max_output_tokens: number
    max_tokens_that_fit: Record<string, number>
    expires_at: string
    offers: { network: string; symbol: string; amount: string }[]
  }
}

/** `farebox quote`: prints what a call would cost; nothing is paid. */
export const quote = async (options: AskOptions): Promise<number> => {
  const { url, out } = options
  const reply = await fetch(`${url}/v1/quote`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(requestOf(options)),
  })
  const answer = (await reply.json()) as QuoteAnswer | ErrorBody
  if ('error' in answer) return refused(answer, out)
  const { quote } = answer
  out(
    `${quote.model} costs at most $${quote.ceiling_usd}; about $${quote.expected_usd} is expected, you pay for what is used.`,
  )
  out(`  answered by  ${quote.routes.map((one) => `${one.model} at ${one.provider}`).join(', then ')}`)
  out(`  tokens       about ${quote.input_tokens} in, at most ${quote.max_output_tokens} out`)
  for (const [budget, tokens] of Object.entries(quote.max_tokens_that_fit)) {
    if (tokens > 0) out(`  below $${budget}  --max-tokens ${tokens}`)
  }
  for (const { amount, symbol, network } of quote.offers)
    out(`  pay          ${amount} units of ${symbol} on ${network}`)
  out(`  valid until  ${quote.expires_at}`)
  return 0
}

/** The OpenAI body of a one-prompt call. */
export const requestOf = ({
  model,
  prompt,
  maxTokens,
}: Pick<AskOptions, 'model' | 'prompt' | 'maxTokens'>) => ({
  model,
  messages: [{ role: 'user', content: prompt }],
  ...(maxTokens !== undefined && { max_tokens: maxTokens }),
})

/** Prints a refusal with what to do next; the exit code of a refusal. */
export const refused = ({ error }: ErrorBody, out: (line: string) => void): number => {
  out(`${error.message} [${error.code}]`)
  out(`  ${error.hint}`)
  return 1
}

import {
  type Checked,
  PaymentRefused,
  type Policy,
  payingFetch,
  printUsd,
  type Way,
  walletFromKey,
} from '../client/index.ts'
import type { ErrorBody } from '../errors.ts'
import { sseReader } from '../wire/sse.ts'
import { type AskOptions, refused, requestOf } from './quote.ts'

/** How a command pays: ways in order, dollars to deposit in a channel, and `CHAIN=URL` for looking at a chain. */
export type WayOptions = { scheme?: readonly string[]; channel?: string | undefined; rpc?: readonly string[] }

export type CallOptions = AskOptions &
  WayOptions & {
    stream?: boolean
    maxUsd: string
    asset: readonly string[]
    env: Readonly<Record<string, string | undefined>>
  }

/** `farebox call`: buys one call and prints the answer, and below it what it cost. */
export const call = async (options: CallOptions): Promise<number> => {
  const { url, out, env, stream = false } = options
  const paying = payingFetch({
    wallet: walletFromKey(keyOf(env)),
    ...waysOf(options),
    policy: { maxPerCall: options.maxUsd, assets: options.asset.map(assetOf), ...schemesOf(options) },
    onEvent: (event) => {
      if (event.type === 'signed')
        out(`· signed $${printUsd(event.quote.usd)} in ${event.quote.asset.symbol}`)
    },
  })
  try {
    const reply = await paying(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...requestOf(options), stream }),
    })
    if (!reply.ok) return refused((await reply.json()) as ErrorBody, out)
    await (stream ? printStream(reply) : printJson(reply, out))
    return printReceipt(paying.lastReceipt, url, out)
  } catch (error) {
    if (!(error instanceof PaymentRefused)) throw error
    out(`Not paid: ${error.message}`)
    return 1
  }
}

const printReceipt = (checked: Checked | undefined, url: string, out: CallOptions['out']): number => {
  if (!checked?.ok || !checked.signed) {
    out(`· no valid receipt: ${checked?.problems.join('; ') ?? 'none came'}`)
    return 1
  }
  const { charged, quoted, credited, callId } = checked.signed.receipt
  out(
    `· charged ${charged} of ${quoted} units, ${credited} are your credit; receipt verified: ${url}/v1/receipts/${callId}`,
  )
  return 0
}

/** The wallet key that commands pay with. */
export const keyOf = (env: CallOptions['env']): string => {
  const key = env['FAREBOX_WALLET_KEY']
  if (!key) throw new Error('set FAREBOX_WALLET_KEY to the private key of the wallet that pays')
  return key
}

/** The channels and chains that `--channel` and `--rpc` ask for. */
export const waysOf = ({ channel, rpc = [] }: WayOptions) => ({
  ...(channel !== undefined && { channels: { deposit: channel } }),
  rpc: Object.fromEntries(rpc.map(rpcOf)),
})

/** The order that `--scheme` asks for; a name that is none is refused where the policy is read. */
export const schemesOf = ({ scheme = [] }: WayOptions): { schemes?: readonly Way[] } =>
  scheme.length > 0 ? { schemes: scheme as readonly Way[] } : {}

const rpcOf = (spec: string): [string, string] => {
  const match = /^(eip155:\d+)=(https?:.+)$/.exec(spec)
  if (!match) throw new Error(`--rpc ${spec} is not eip155:ID=URL`)
  return [match[1]!, match[2]!]
}

/** Reads `eip155:ID/0xADDRESS[:decimals]`. */
export const assetOf = (spec: string): NonNullable<Policy['assets']>[number] => {
  const match = /^(eip155:\d+)\/(0x[0-9a-fA-F]{40})(?::(\d{1,2}))?$/.exec(spec)
  if (!match) throw new Error(`--asset ${spec} is not eip155:ID/0xADDRESS[:decimals]`)
  return { chain: match[1]!, address: match[2]!, decimals: Number(match[3] ?? 6) }
}

const printJson = async (reply: Response, out: (line: string) => void): Promise<void> => {
  const answer = (await reply.json()) as { choices: { message: { content: string | null } }[] }
  for (const { message } of answer.choices) out(message.content ?? JSON.stringify(message))
}

const printStream = async (reply: Response): Promise<void> => {
  const reader = sseReader()
  for await (const bytes of reply.body ?? []) {
    for (const data of reader.push(bytes)) process.stdout.write(contentOf(data))
  }
  process.stdout.write('\n')
}

/** The text of one streamed event; empty for events without any. */
export const contentOf = (data: string): string => {
  if (data === '[DONE]') return ''
  const part = JSON.parse(data) as { choices?: { delta?: { content?: string | null } }[] }
  return part.choices?.[0]?.delta?.content ?? ''
}

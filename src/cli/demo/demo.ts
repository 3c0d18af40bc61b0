import type { ChainId, Hex } from '../../assets.ts'
import { createChain } from '../../chain/chain.ts'
import {
  type Checked,
  type PayingEvent,
  payingFetch,
  printUsd,
  type Usd,
  walletFromKey,
} from '../../client/index.ts'
import { sseReader } from '../../wire/sse.ts'
import { contentOf } from '../call.ts'
import { type ServeFacts, signalled } from '../serve.ts'
import { agreement } from './agreement.ts'
import { createPrinter, type Printer } from './print.ts'
import { openScene, type Scene } from './scene.ts'

export type DemoFacts = {
  start: ServeFacts['start']
  stay: boolean
  env: Readonly<Record<string, string | undefined>>
}

/** `farebox demo`: an agent with a fresh wallet buys three calls on a real local chain, and the ledger agrees with it. */
export const demo = async ({ start, stay, env }: DemoFacts): Promise<number> => {
  const print = createPrinter(process.stdout.isTTY === true && !env['NO_COLOR'])
  print.title('Farebox: an agent buys three model calls')
  const scene = await openScene(start, env, (step) => print.line('ask', step))
  try {
    introduce(print, scene)
    const buy = createBuyer(print, scene)
    const served = [
      await buy('1  One answer, as JSON', scene.model, false),
      await buy('2  One answer, as it is written', scene.model, true),
    ]
    const failed = await buy('3  A provider that fails', 'simulated/broken', false)
    const agrees = await agreement(print, scene)
    const well = served.every(Boolean) && !failed && agrees
    print.title(
      well
        ? 'Two calls paid and served, one failed and free, every unit accounted for.'
        : 'Something went wrong: see above.',
    )
    if (stay) await linger(print, scene)
    return well ? 0 : 1
  } finally {
    await scene.close()
  }
}

const introduce = (print: Printer, { net, token, router, host, model, agentKey }: Scene): void => {
  print.gap()
  print.fact('chain', `anvil, eip155:${net.chainId}, ${net.url}`)
  print.fact('token', `test USDC ${token} (EIP-3009, EIP-2612)`)
  print.fact('router', `${router.url}, ledger in SQLite`)
  print.fact('provider', `${model}: ${host}`)
  print.fact('agent', `${walletFromKey(agentKey).address}: 5 USDC, no account, no API key, no gas`)
}

type Buy = (title: string, model: string, stream: boolean) => Promise<boolean>

/** Buys calls and tells the story of each; resolves to whether it was served. */
const createBuyer = (print: Printer, scene: Scene): Buy => {
  const seen: { receipt?: Checked } = {}
  const paying = payingFetch({
    wallet: walletFromKey(scene.agentKey),
    policy: {
      assets: [{ chain: `eip155:${scene.net.chainId}`, address: scene.token, decimals: 6, symbol: 'USDC' }],
    },
    onEvent: (event) => tell(print, seen, event),
  })
  return async (title, model, stream) => {
    print.title(title)
    delete seen.receipt
    const body = {
      model,
      stream,
      max_tokens: 400,
      messages: [{ role: 'user', content: 'In one sentence: what is a farebox?' }],
    }
    print.line('ask', `POST /v1/chat/completions  ${JSON.stringify({ model, stream, max_tokens: 400 })}`)
    const began = performance.now()
    const reply = await paying(`${scene.router.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!reply.ok) return refuse(print, scene, reply)
    await (stream ? live(print, reply, began) : whole(print, reply, began))
    return settle(print, scene, seen.receipt)
  }
}

const tell = (print: Printer, seen: { receipt?: Checked }, event: PayingEvent): void => {
  if (event.type === 'quote') {
    const { described, usd } = event.quote
    print.line(
      'price',
      `402 Payment Required: at most $${described?.ceiling_usd ?? printUsd(usd)}, about $${described?.expected_usd ?? '?'} expected`,
    )
    if (described && printUsd(usd) !== described.ceiling_usd)
      print.fact('credit', `pays the rest: to sign $${printUsd(usd)}`)
  } else if (event.type === 'signed') {
    print.line(
      'sign',
      `signed an EIP-3009 authorization of $${printUsd(event.quote.usd)}, nonce ${short(event.nonce)}`,
    )
    print.line('ask', 'the same request again, with PAYMENT-SIGNATURE')
  } else if (event.type === 'receipt') {
    seen.receipt = event.receipt
  }
}

const whole = async (print: Printer, reply: Response, began: number): Promise<void> => {
  const answer = (await reply.json()) as { choices: { message: { content: string } }[] }
  print.line('answer', `200 after ${ms(began)}: ${answer.choices[0]?.message.content.trim() ?? ''}`)
}

const live = async (print: Printer, reply: Response, began: number): Promise<void> => {
  const reader = sseReader()
  let first = true
  for await (const bytes of reply.body ?? []) {
    for (const data of reader.push(bytes)) {
      const text = contentOf(data)
      if (text && first) print.line('answer', `200, first token after ${ms(began)}`)
      if (text) print.live(first ? `    ${text}` : text)
      first &&= !text
    }
  }
  print.end()
}

const settle = async (print: Printer, scene: Scene, checked: Checked | undefined): Promise<boolean> => {
  if (!checked?.ok || !checked.signed) {
    print.line('bad', `no valid receipt: ${checked?.problems.join('; ') ?? 'none came'}`)
    return false
  }
  const { receipt, signer } = checked.signed
  print.fact('tokens', `${receipt.inputTokens} in, ${receipt.outputTokens} out, as the provider reported`)
  print.fact(
    'charged',
    `$${dollars(receipt.charged)} of $${dollars(receipt.quoted)}; $${dollars(receipt.credited)} is the agent’s credit`,
  )
  const call = await settledCall(scene, receipt.callId)
  print.fact(
    'on chain',
    `${short(call.transaction ?? '0x')} in block ${call.block}: $${dollars(receipt.signed)} to ${short(receipt.payTo)}`,
  )
  print.line('good', `receipt signed by ${short(signer)}, verified offline`)
  return call.settlement === 'settled'
}

type CallStatus = { settlement: string; transaction: Hex | null; block: string | null }

const settledCall = async (scene: Scene, id: string): Promise<CallStatus> => {
  const deadline = Date.now() + 30_000
  for (;;) {
    const call = (await (await fetch(`${scene.router.url}/v1/calls/${id}`)).json()) as CallStatus
    if (call.settlement !== 'settling' || Date.now() > deadline) return call
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const refuse = async (print: Printer, scene: Scene, reply: Response): Promise<boolean> => {
  const { error } = (await reply.json()) as { error: { code: string; message: string; hint: string } }
  print.line('answer', `${reply.status} ${error.code}: ${error.message}`)
  const chain = createChain(`eip155:${scene.net.chainId}` as ChainId, [scene.net.url])
  const wallet = walletFromKey(scene.agentKey).address
  const balance = await chain.balance(scene.token, wallet)
  await chain.close()
  print.fact('charged', 'nothing: the authorization was released and is never submitted')
  print.fact('wallet', `still $${printUsd(balance as Usd)}`)
  return false
}

const linger = async (
  print: Printer,
  { router, agentKey, password, net, token, model }: Scene,
): Promise<void> => {
  print.title('Still running. In another terminal, in this folder:')
  print.live(`
  curl -i ${router.url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model":"${model}","messages":[{"role":"user","content":"hello"}]}'

  FAREBOX_WALLET_KEY=${agentKey} \\
    npm run --silent farebox -- call --url ${router.url} --model ${model} --stream \\
    --asset eip155:${net.chainId}/${token} "What is a farebox?"

  ${router.url}/admin is the operator’s desk: name demo, password ${password}

  Ctrl-C ends it.
`)
  await signalled()
}

const dollars = (units: string): string => printUsd(BigInt(units) as Usd)
const short = (hex: string): string => (hex.length > 14 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex)
const ms = (began: number): string => `${Math.round(performance.now() - began)} ms`

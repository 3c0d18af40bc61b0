// Pays in USDT, which has no EIP-3009, from a wallet without gas. Run: FAREBOX_WALLET_KEY=0x… node examples/usdt-agent.ts http://127.0.0.1:8402 MODEL eip155:1 RPC_URL [TOKEN]
import { payingFetch, walletFromKey } from '../src/client/index.ts' // in your project: 'farebox/client'

const [url = 'http://127.0.0.1:8402', model = 'auto', chain = 'eip155:1', rpc = '', token] =
  process.argv.slice(2)
const pay = payingFetch({
  wallet: walletFromKey(process.env['FAREBOX_WALLET_KEY'] ?? ''),
  // Through it the client sees whether Permit2 may move the token; if not, it signs the approval and the router sends it.
  rpc: { [chain]: rpc },
  policy: {
    maxPerCall: '0.05',
    schemes: ['upto', 'permit2'],
    // USDT on the main chains is known; a token of a local net is allowed by name.
    ...(token && { assets: [{ chain, address: token, decimals: 6, symbol: 'USDT' }] }),
    symbols: ['USDT'],
  },
})
const reply = await pay(`${url}/v1/chat/completions`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model, messages: [{ role: 'user', content: 'What is a farebox?' }] }),
})
const { choices } = (await reply.json()) as { choices: { message: { content: string } }[] }
console.log(choices[0]?.message.content)
const receipt = pay.lastReceipt
console.log(
  receipt?.ok
    ? `charged ${receipt.signed?.receipt.charged} units of USDT, receipt verified`
    : receipt?.problems,
)

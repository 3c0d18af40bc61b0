// A stock x402 client pays unchanged. Run: FAREBOX_WALLET_KEY=0x… node examples/x402-fetch.ts http://127.0.0.1:8402 MODEL eip155:31337 0xTOKEN
import { ExactEvmScheme } from '@x402/evm'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import { privateKeyToAccount } from 'viem/accounts'

const [url = 'http://127.0.0.1:8402', model = 'auto', network = 'eip155:8453', token] = process.argv.slice(2)
const account = privateKeyToAccount(process.env['FAREBOX_WALLET_KEY'] as `0x${string}`)
const client = new x402Client().register(network as `${string}:${string}`, new ExactEvmScheme(account))
// The stock client knows USDC on the main chains; a token of a local net must be allowed.
if (token)
  client.setSpendControls({ allowedAssets: [{ network: network as `${string}:${string}`, asset: token }] })
const pay = wrapFetchWithPayment(fetch, client)

const reply = await pay(`${url}/v1/chat/completions`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model, messages: [{ role: 'user', content: 'What is a farebox?' }] }),
})
console.log(reply.status, JSON.stringify(await reply.json()))
console.log('PAYMENT-RESPONSE', atob(reply.headers.get('payment-response') ?? ''))

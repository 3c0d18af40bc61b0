// The official OpenAI package, paying per call. Run: FAREBOX_WALLET_KEY=0x… node examples/openai-sdk.ts http://127.0.0.1:8402 MODEL
import OpenAI from 'openai'
import { payingFetch, walletFromKey } from '../src/client/index.ts' // in your project: 'farebox/client'

const [url = 'http://127.0.0.1:8402', model = 'auto', ...assets] = process.argv.slice(2)
const pay = payingFetch({
  wallet: walletFromKey(process.env['FAREBOX_WALLET_KEY'] ?? ''),
  policy: {
    maxPerCall: '0.05',
    maxPerHour: '1',
    // USDC on the main chains is known; a token of a local net is allowed by name: eip155:31337/0x…
    assets: assets.map((one) => ({ chain: one.split('/')[0]!, address: one.split('/')[1]!, decimals: 6 })),
  },
})
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none needed', fetch: pay })

const messages = [{ role: 'user' as const, content: 'In one sentence: what is a farebox?' }]
const stream = await openai.chat.completions.create({ model, messages, stream: true })
for await (const part of stream) process.stdout.write(part.choices[0]?.delta?.content ?? '')
console.log()

const receipt = pay.lastReceipt
console.log(receipt?.ok ? `charged ${receipt.signed?.receipt.charged} units, receipt verified` : 'no receipt')

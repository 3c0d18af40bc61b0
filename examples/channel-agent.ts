// One deposit, then a signature a call: no chain in the way. Run: FAREBOX_WALLET_KEY=0x… node examples/channel-agent.ts http://127.0.0.1:8402 MODEL [eip155:31337/0xTOKEN]
import OpenAI from 'openai'
import { fileChannels, payingFetch, printUsd, walletFromKey } from '../src/client/index.ts' // in your project: 'farebox/client'

const [url = 'http://127.0.0.1:8402', model = 'auto', ...assets] = process.argv.slice(2)
const pay = payingFetch({
  wallet: walletFromKey(process.env['FAREBOX_WALLET_KEY'] ?? ''),
  // Up to four channels, for four calls at once; the file keeps them for the next run.
  channels: { deposit: '1.00', store: fileChannels(process.env['FAREBOX_CHANNELS'] ?? 'channels.json') },
  policy: {
    schemes: ['channel'],
    maxPerCall: '0.05',
    assets: assets.map((one) => ({ chain: one.split('/')[0]!, address: one.split('/')[1]!, decimals: 6 })),
  },
})
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none needed', fetch: pay })

for (const what of ['farebox', 'turnstile', 'token']) {
  const messages = [{ role: 'user' as const, content: `In one sentence: what is a ${what}?` }]
  const answer = await openai.chat.completions.create({ model, messages })
  console.log(answer.choices[0]?.message.content)
}
console.log(
  `three calls for $${printUsd(pay.spending().spent)}, ${pay.lastReceipt?.ok ? 'receipt verified' : 'no receipt'}`,
)
for (const one of await pay.refund())
  console.log(one.ok ? `${one.amount} units come back from ${one.channel}` : one.why)

// An agent of an organisation: its key says whose budgets a call draws on, its wallet pays. Run: FAREBOX_KEY=fbx_… FAREBOX_WALLET_KEY=0x… node examples/organisation-key.ts http://127.0.0.1:8402 MODEL
import { setTimeout as wait } from 'node:timers/promises'
import { payingFetch, walletFromKey } from '../src/client/index.ts' // in your project: 'farebox/client'

const [url = 'http://127.0.0.1:8402', model = 'auto', ...assets] = process.argv.slice(2)
const tokens = assets.map((one) => ({ chain: one.split('/')[0]!, address: one.split('/')[1]!, decimals: 6 }))
const pay = payingFetch({
  wallet: walletFromKey(process.env['FAREBOX_WALLET_KEY'] ?? ''),
  policy: { maxPerCall: '0.05', assets: tokens },
})
const messages = [{ role: 'user', content: 'In one sentence: what is a farebox?' }]
const ask = async (more: Record<string, string> = {}) => {
  const auth = { authorization: `Bearer ${process.env['FAREBOX_KEY']}`, 'x-farebox-tags': 'project=apollo' }
  const reply = await pay(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...auth, ...more },
    body: JSON.stringify({ model, max_tokens: 300, messages }),
  })
  return { status: reply.status, said: (await reply.json()) as Said }
}
type Said = { error?: { message: string; hint: string }; choices?: { message: { content: string } }[] }

let { status, said } = await ask()
if (status === 202) {
  const id = /apr_[\w-]+/.exec(said.error!.hint)![0]
  console.log(said.error!.message, id)
  const approval = async () => (await (await fetch(`${url}/v1/approvals/${id}`)).json()) as { status: string }
  while ((await approval()).status === 'waiting') await wait(500)
  ;({ status, said } = await ask({ 'x-farebox-approval': id }))
}
console.log(status, said.choices?.[0]?.message.content ?? `${said.error?.message} ${said.error?.hint}`)

// @x402/hono's stock middleware with a facilitator in the same process (its official self-facilitation example), in
// front of the same mock provider. Plain JavaScript: its packages are only here when the bench has installed them.
import { serve } from '@hono/node-server'
import { x402Facilitator } from '@x402/core/facilitator'
import { toFacilitatorEvmSigner } from '@x402/evm'
import { registerExactEvmScheme } from '@x402/evm/exact/facilitator'
import { ExactEvmScheme } from '@x402/evm/exact/server'
import { UptoEvmScheme as UptoFacilitator } from '@x402/evm/upto/facilitator'
import { UptoEvmScheme } from '@x402/evm/upto/server'
import { paymentMiddleware, setSettlementOverrides, x402ResourceServer } from '@x402/hono'
import { Hono } from 'hono'
import { Pool } from 'undici'
import { createWalletClient, defineChain, http, nonceManager, publicActions } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'

const { rpc, chainId, asset, payTo, amount, used, key, upstream } = JSON.parse(process.env.BENCH_X402)
const network = `eip155:${chainId}`
const chain = defineChain({
  id: chainId,
  name: 'local',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
})
const account = privateKeyToAccount(key, { nonceManager })
// viem would look for a receipt every 4 s; 10 ms is the best case for a chain that mines at once.
const wallet = createWalletClient({ account, chain, transport: http(rpc), pollingInterval: 10 }).extend(
  publicActions,
)
const signer = toFacilitatorEvmSigner({ address: account.address, ...wallet })
const facilitator = new x402Facilitator()
registerExactEvmScheme(facilitator, { signer, networks: network })
facilitator.register(network, new UptoFacilitator(signer))
const server = new x402ResourceServer({
  verify: facilitator.verify.bind(facilitator),
  settle: facilitator.settle.bind(facilitator),
  getSupported: async () => facilitator.getSupported(),
})
  .register(network, new ExactEvmScheme())
  .register(network, new UptoEvmScheme())

const price = { asset, amount, extra: { name: 'USD Coin', version: '2' } }
const same = { network, payTo, price, maxTimeoutSeconds: 3600 }
const accepts = [
  { scheme: 'exact', ...same },
  { scheme: 'upto', ...same },
]
const pool = new Pool(new URL(upstream).origin, { connections: 256 })
const app = new Hono()
app.use(
  paymentMiddleware({ 'POST /v1/chat/completions': { accepts, description: 'One model call' } }, server),
)
app.post('/v1/chat/completions', async (c) => {
  const body = await c.req.text()
  // What an `upto` moves; `exact` moves all of it.
  if (c.req.header('bench-upto')) setSettlementOverrides(c, { amount: used })
  const answer = await pool.request({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body,
  })
  return new Response(answer.body, {
    status: answer.statusCode,
    headers: { 'content-type': String(answer.headers['content-type']) },
  })
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  process.send?.({ ready: `http://127.0.0.1:${port}` }),
)

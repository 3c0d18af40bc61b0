import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { x402Facilitator } from '@x402/core/facilitator'
import { toFacilitatorEvmSigner } from '@x402/evm'
import { ExactEvmScheme } from '@x402/evm/exact/facilitator'
import { createNonceManager, createWalletClient, defineChain, type Hex, http, publicActions } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { jsonRpc } from 'viem/nonce'

type Asked = { paymentPayload: object; paymentRequirements: object }
type Settled = { success: boolean; transaction: string; [more: string]: unknown }

/** Answers one request to settle; `settle` really settles it, by the official facilitator. */
export type Behaviour = (settle: () => Promise<Settled>, response: ServerResponse) => Promise<void>

export type ScriptedFacilitator = {
  url: string
  /** What it was asked to settle, in order. */
  asked: Asked[]
  /** How it behaves from now on. */
  behave: (behaviour: Behaviour) => void
  /** The chain that it settles on, by a key of its own. */
  open: (rpcUrl: string, chainId: number, key: Hex) => void
  close: () => Promise<void>
}

export const json = (response: ServerResponse, body: unknown, status = 200) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

/** It does as it should. */
export const honest: Behaviour = async (settle, response) => json(response, await settle())

/** Somebody else's facilitator over HTTP, which can be made to lie. */
export const startFacilitator = async (): Promise<ScriptedFacilitator> => {
  let behaviour = honest
  let official: x402Facilitator | undefined
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as Asked
    asked.push(body)
    const settle = async () => {
      const told = await official!.settle(body.paymentPayload as never, body.paymentRequirements as never)
      return told as unknown as Settled
    }
    await behaviour(settle, response).catch((error) => json(response, { error: String(error) }, 500))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    behave: (next) => {
      behaviour = next
    },
    open: (rpcUrl, chainId, key) => {
      const account = privateKeyToAccount(key, { nonceManager: createNonceManager({ source: jsonRpc() }) })
      const chain = defineChain({
        id: chainId,
        name: 'local',
        nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
        rpcUrls: { default: { http: [rpcUrl] } },
      })
      const wallet = createWalletClient({
        account,
        chain,
        transport: http(rpcUrl),
        pollingInterval: 50,
      }).extend(publicActions)
      const signer = toFacilitatorEvmSigner({ ...wallet, address: account.address } as never)
      official = new x402Facilitator().register(`eip155:${chainId}`, new ExactEvmScheme(signer))
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

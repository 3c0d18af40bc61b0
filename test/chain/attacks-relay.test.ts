import { HTTPFacilitatorClient } from '@x402/core/server'
import { encodeFunctionData, type Hex, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkInvariants } from '../../src/ledger/invariants.ts'
import { PERMIT2 } from '../../src/wire/contracts.ts'
import type { Requirement } from '../../src/wire/payment.ts'
import { signPermit2 } from '../support/pay.ts'
import { startWorld, type World } from '../support/world.ts'

const SHOP: Hex = '0x5000000000000000000000000000000000000005'
const INVALIDATE = parseAbi(['function invalidateUnorderedNonces(uint256 wordPos, uint256 mask)'])
let world: World
let client: HTTPFacilitatorClient
beforeAll(async () => {
  world = await startWorld({
    x402: true,
    extra: 'facilitator: { serve: { enabled: true, timeoutMs: 8000, maxOpen: 3 } }',
  })
  client = new HTTPFacilitatorClient({ url: world.farebox.url })
})
afterAll(() => world?.close())

type Payload = Parameters<HTTPFacilitatorClient['settle']>[0]
type Wanted = Parameters<HTTPFacilitatorClient['settle']>[1]

test('a payment that its payer cancelled is not proven by an earlier one of the same sum to the same shop', async () => {
  const payer = await world.payer()
  await world.approve(payer)
  const network = `eip155:${world.net.chainId}` as const
  const requirement = {
    scheme: 'exact',
    network,
    amount: '25000',
    asset: world.token,
    payTo: SHOP,
    maxTimeoutSeconds: 300,
    extra: { name: 'USD Coin', version: '2', assetTransferMethod: 'permit2' },
  } as unknown as Requirement & Wanted
  const first = (await signPermit2(payer, requirement)) as unknown as Payload
  const second = (await signPermit2(payer, requirement)) as unknown as Payload
  expect(await client.settle(first, requirement)).toMatchObject({ success: true })

  const settler = world.farebox.deps.settler(network)
  const { order } = settler
  settler.order = async (errand) => {
    const told = second.payload as unknown as { permit2Authorization: { nonce: string } }
    const nonce = BigInt(told.permit2Authorization.nonce)
    const args = [nonce >> 8n, 1n << (nonce & 255n)] as const
    const data = encodeFunctionData({ abi: INVALIDATE, functionName: 'invalidateUnorderedNonces', args })
    await world.act(payer.address, PERMIT2, data)
    return order(errand)
  }
  const answer = await client.settle(second, requirement).catch((error) => ({ success: false, error }))
  settler.order = order
  expect(answer).toMatchObject({ success: false })
  expect(await world.balance(SHOP)).toBe(25_000n)
  await world.settle()
  expect(await checkInvariants(world.farebox.deps.ledger, { now: Date.now() })).toEqual([])
})

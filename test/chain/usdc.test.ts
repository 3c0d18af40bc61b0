import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Address, Hex } from 'viem'
import {
  BaseError,
  ContractFunctionRevertedError,
  domainSeparator,
  parseEventLogs,
  parseSignature,
  serializeSignature,
  toEventSelector,
  toFunctionSelector,
  toHex,
} from 'viem'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eip3009Abi } from '../../contracts-abi/eip3009.ts'
import { deployUsdc, type Localnet, localClient, mint, rpc, startAnvil } from '../../src/cli/demo/localnet.ts'
import { testUsdc } from '../../src/cli/demo/test-usdc.generated.ts'

const usdc = 1_000_000n
const forever = 2n ** 255n
const curveOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

const authorizationFields = [
  { name: 'from', type: 'address' },
  { name: 'to', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'validAfter', type: 'uint256' },
  { name: 'validBefore', type: 'uint256' },
  { name: 'nonce', type: 'bytes32' },
]
const types = {
  TransferWithAuthorization: authorizationFields,
  ReceiveWithAuthorization: authorizationFields,
  CancelAuthorization: [
    { name: 'authorizer', type: 'address' },
    { name: 'nonce', type: 'bytes32' },
  ],
  Permit: [
    { name: 'owner', type: 'address' },
    { name: 'spender', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
}

type Client = Awaited<ReturnType<typeof localClient>>
type Authorization = ReturnType<typeof authorization>

let net: Localnet
let token: Address
// The issuer deployed the token and has all its roles; the relayer pays the gas and signs nothing.
let issuer: Client
let payer: Client
let payee: Client
let relayer: Client

beforeAll(async () => {
  net = await startAnvil()
  const clients = await Promise.all(
    net.accounts.slice(0, 4).map((key) => localClient(net.url, key.privateKey)),
  )
  ;[issuer, payer, payee, relayer] = clients as [Client, Client, Client, Client]
})

afterAll(() => net?.stop())

beforeEach(async () => {
  token = await freshToken()
})

async function freshToken(
  texts: { name?: string; version?: string; decimals?: number } = {},
): Promise<Address> {
  const deployer = { url: net.url, deployerKey: net.accounts[0]!.privateKey }
  const { address } = await deployUsdc({ ...deployer, ...texts })
  await mint({ ...deployer, token: address, to: payer.account.address, amount: 100n * usdc })
  return address
}

let nonces = 0n
function authorization(
  change: { value?: bigint; validAfter?: bigint; validBefore?: bigint; from?: Address } = {},
) {
  nonces += 1n
  const parties = { from: payer.account.address, to: payee.account.address }
  const terms = { value: 5n * usdc, validAfter: 0n, validBefore: forever, nonce: toHex(nonces, { size: 32 }) }
  return { ...parties, ...terms, ...change }
}

type Domain = { name: string; version: string; chainId: number; verifyingContract: Address }
function domain(change: Partial<Domain> = {}): Domain {
  return { name: 'USD Coin', version: '2', chainId: net.chainId, verifyingContract: token, ...change }
}

type Message = Record<string, unknown>
function sign(by: Client, primaryType: keyof typeof types, message: Message, at = domain()): Promise<Hex> {
  return by.account.signTypedData({ domain: at, types, primaryType, message })
}

const signTransfer = (message: Authorization, by = payer, at = domain()) =>
  sign(by, 'TransferWithAuthorization', message, at)

function split(signature: Hex) {
  const { r, s, v } = parseSignature(signature)
  return [Number(v), r, s] as const
}

const termsOf = ({ from, to, value, validAfter, validBefore, nonce }: Authorization) =>
  [from, to, value, validAfter, validBefore, nonce] as const

/** What the settlement of Farebox sends: the v, r, s form, by an account that is neither payer nor payee. */
const transferCall = (message: Authorization, signature: Hex) =>
  ({
    address: token,
    abi: eip3009Abi,
    functionName: 'transferWithAuthorization',
    args: [...termsOf(message), ...split(signature)],
  }) as const

async function settle(message: Authorization, signature: Hex) {
  const hash = await relayer.writeContract(transferCall(message, signature))
  return relayer.waitForTransactionReceipt({ hash })
}

async function cancel(message: Authorization, by = payer) {
  const { from: authorizer, nonce } = message
  const signature = await sign(by, 'CancelAuthorization', { authorizer, nonce })
  const args = [authorizer, nonce, ...split(signature)] as const
  const hash = await relayer.writeContract({
    address: token,
    abi: eip3009Abi,
    functionName: 'cancelAuthorization',
    args,
  })
  return relayer.waitForTransactionReceipt({ hash })
}

type Power =
  | { functionName: 'pause' | 'unpause' }
  | { functionName: 'blacklist' | 'unBlacklist'; args: [Address] }
async function issue(power: Power, by = issuer) {
  const hash = await by.writeContract({ address: token, abi: testUsdc.abi, ...power })
  await by.waitForTransactionReceipt({ hash })
}

const balanceOf = (account: Address) =>
  relayer.readContract({ address: token, abi: eip3009Abi, functionName: 'balanceOf', args: [account] })

const isSpent = ({ from, nonce }: Authorization) =>
  relayer.readContract({
    address: token,
    abi: eip3009Abi,
    functionName: 'authorizationState',
    args: [from, nonce],
  })

const chainTime = async () => (await relayer.getBlock()).timestamp

/** The reason the token gives for refusing `call`, or undefined when it accepts. */
async function refusal(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(
    () => undefined,
    (problem: unknown) => problem,
  )
  if (error === undefined) return undefined
  const reverted =
    error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError)
  if (!(reverted instanceof ContractFunctionRevertedError)) throw error
  return reverted.reason
}

const refusedAs = async (message: Authorization, signature?: Hex) =>
  refusal(settle(message, signature ?? (await signTransfer(message))))

describe('the token', () => {
  test('is USD Coin, symbol USDC, 6 decimals, version 2, and signatures are bound to it and to its chain', async () => {
    const read = (functionName: 'name' | 'symbol' | 'decimals' | 'version' | 'DOMAIN_SEPARATOR') =>
      relayer.readContract({ address: token, abi: eip3009Abi, functionName })
    expect(await Promise.all([read('name'), read('symbol'), read('decimals'), read('version')])).toEqual([
      'USD Coin',
      'USDC',
      6,
      '2',
    ])
    expect(await read('DOMAIN_SEPARATOR')).toBe(domainSeparator({ domain: domain() }))
  })

  test('has every call and every event that Farebox uses, under the same selector', () => {
    const selectors = (abi: typeof eip3009Abi | typeof testUsdc.abi) =>
      abi.flatMap((entry) => {
        if (entry.type === 'function') return [toFunctionSelector(entry)]
        return entry.type === 'event' ? [toEventSelector(entry)] : []
      })
    expect(selectors(testUsdc.abi)).toEqual(expect.arrayContaining(selectors(eip3009Abi)))
  })

  test('can be deployed under another name, version and decimals, and then signs under those', async () => {
    token = await freshToken({ name: 'Bridged USDC', version: '1', decimals: 18 })
    const decimals = await relayer.readContract({ address: token, abi: eip3009Abi, functionName: 'decimals' })
    expect(decimals).toBe(18)
    const message = authorization()
    expect(await refusedAs(message)).toBe('FiatTokenV2: invalid signature')
    const theirs = domain({ name: 'Bridged USDC', version: '1' })
    expect((await settle(message, await signTransfer(message, payer, theirs))).status).toBe('success')
  })
})

describe('a signed authorization', () => {
  test('moves the money at no gas for the payer, and shows as Transfer and AuthorizationUsed', async () => {
    const message = authorization()
    const gasMoney = await payer.getBalance(payer.account)
    const receipt = await settle(message, await signTransfer(message))

    const [used, moved, ...others] = parseEventLogs({ abi: eip3009Abi, logs: receipt.logs })
    expect(used).toMatchObject({
      eventName: 'AuthorizationUsed',
      address: token.toLowerCase(),
      args: { authorizer: message.from, nonce: message.nonce },
    })
    expect(moved).toMatchObject({
      eventName: 'Transfer',
      args: { from: message.from, to: message.to, value: 5n * usdc },
    })
    expect(others).toEqual([])
    expect(await balanceOf(message.from)).toBe(95n * usdc)
    expect(await balanceOf(message.to)).toBe(5n * usdc)
    expect(await isSpent(message)).toBe(true)
    expect(await payer.getBalance(payer.account)).toBe(gasMoney)
  })

  test('moves the money only once: the second try is refused, and reverts even when forced onto the chain', async () => {
    const message = authorization()
    const signature = await signTransfer(message)
    await settle(message, signature)

    expect(await refusedAs(message, signature)).toBe('FiatTokenV2: authorization is used or canceled')
    const hash = await relayer.writeContract({ ...transferCall(message, signature), gas: 200_000n })
    expect(await relayer.waitForTransactionReceipt({ hash })).toMatchObject({ status: 'reverted', logs: [] })
    expect(await balanceOf(message.to)).toBe(5n * usdc)
  })

  test('is refused once it has expired', async () => {
    const message = authorization({ validBefore: await chainTime() })
    expect(await refusedAs(message)).toBe('FiatTokenV2: authorization is expired')
  })

  test('is refused before it becomes valid', async () => {
    const message = authorization({ validAfter: (await chainTime()) + 3600n })
    expect(await refusedAs(message)).toBe('FiatTokenV2: authorization is not yet valid')
  })

  test('is valid strictly between its two times, in neither of the two seconds themselves', async () => {
    const start = (await chainTime()) + 100n
    const message = authorization({ validAfter: start, validBefore: start + 2n })
    const call = transferCall(message, await signTransfer(message))
    const answers: (string | undefined)[] = []
    for (const second of [start, start + 1n, start + 2n]) {
      await rpc(net.url, 'evm_setNextBlockTimestamp', [toHex(second)])
      await rpc(net.url, 'evm_mine')
      answers.push(await refusal(relayer.simulateContract(call)))
    }
    expect(answers).toEqual([
      'FiatTokenV2: authorization is not yet valid',
      undefined,
      'FiatTokenV2: authorization is expired',
    ])
  })

  test('is refused when somebody other than the payer signed it', async () => {
    const message = authorization()
    expect(await refusedAs(message, await signTransfer(message, payee))).toBe(
      'FiatTokenV2: invalid signature',
    )
  })

  test('is refused when the amount is not the one that was signed', async () => {
    const message = authorization()
    const signature = await signTransfer(message)
    expect(await refusedAs({ ...message, value: 6n * usdc }, signature)).toBe(
      'FiatTokenV2: invalid signature',
    )
  })

  test('is refused when it was signed for another token or another chain', async () => {
    const message = authorization()
    for (const elsewhere of [domain({ chainId: 1 }), domain({ verifyingContract: payee.account.address })]) {
      const signature = await signTransfer(message, payer, elsewhere)
      expect(await refusedAs(message, signature)).toBe('FiatTokenV2: invalid signature')
    }
  })

  test('is refused in the mirrored form of its signature (high s), which Ethereum itself would accept', async () => {
    const message = authorization()
    const { r, s, yParity } = parseSignature(await signTransfer(message))
    const mirrored = serializeSignature({
      r,
      s: toHex(curveOrder - BigInt(s), { size: 32 }),
      yParity: 1 - yParity,
    })
    expect(await refusedAs(message, mirrored)).toBe("ECRecover: invalid signature 's' value")
  })

  test('is refused when v is 0 or 1 instead of 27 or 28', async () => {
    const message = authorization()
    const [v, r, s] = split(await signTransfer(message))
    const args = [...termsOf(message), v - 27, r, s] as const
    const call = { address: token, abi: eip3009Abi, functionName: 'transferWithAuthorization', args } as const
    expect(await refusal(relayer.simulateContract(call))).toBe("ECRecover: invalid signature 'v' value")
  })

  test('is refused when the payer has too little, and can still be used after a top-up', async () => {
    const message = authorization({ value: 101n * usdc })
    const signature = await signTransfer(message)
    expect(await refusedAs(message, signature)).toBe('ERC20: transfer amount exceeds balance')
    const deployerKey = net.accounts[0]!.privateKey
    await mint({ url: net.url, deployerKey, token, to: message.from, amount: usdc })
    expect((await settle(message, signature)).status).toBe('success')
  })
})

describe('a payer who changes their mind', () => {
  test('can cancel an authorization, after which it never moves money', async () => {
    const message = authorization()
    const { logs } = await cancel(message)
    expect(parseEventLogs({ abi: eip3009Abi, logs })).toMatchObject([
      { eventName: 'AuthorizationCanceled', args: { authorizer: message.from, nonce: message.nonce } },
    ])
    expect(await isSpent(message)).toBe(true)
    expect(await refusedAs(message)).toBe('FiatTokenV2: authorization is used or canceled')
    expect(await balanceOf(message.to)).toBe(0n)
  })

  test('cannot cancel what has been paid already', async () => {
    const message = authorization()
    await settle(message, await signTransfer(message))
    expect(await refusal(cancel(message))).toBe('FiatTokenV2: authorization is used or canceled')
  })

  test('is the only one who can cancel it', async () => {
    const message = authorization()
    expect(await refusal(cancel(message, payee))).toBe('FiatTokenV2: invalid signature')
    expect(await isSpent(message)).toBe(false)
  })
})

describe('the issuer', () => {
  test('can pause the token: nothing moves and nothing is cancelled until it is unpaused', async () => {
    const message = authorization()
    await issue({ functionName: 'pause' })
    expect(await refusedAs(message)).toBe('Pausable: paused')
    expect(await refusal(cancel(message))).toBe('Pausable: paused')
    await issue({ functionName: 'unpause' })
    expect(await refusedAs(message)).toBeUndefined()
  })

  test.each([
    ['payer', 'from'],
    ['payee', 'to'],
  ] as const)(
    'can blacklist the %s of a payment, which is then refused until the blacklisting is lifted',
    async (_, side) => {
      const message = authorization()
      await issue({ functionName: 'blacklist', args: [message[side]] })
      expect(await refusedAs(message)).toBe('Blacklistable: account is blacklisted')
      expect(await balanceOf(message.from)).toBe(100n * usdc)
      await issue({ functionName: 'unBlacklist', args: [message[side]] })
      expect(await refusedAs(message)).toBeUndefined()
    },
  )

  test('is the only one who can mint, pause and blacklist', async () => {
    const stranger = { url: net.url, deployerKey: net.accounts[3]!.privateKey }
    const minted = mint({ ...stranger, token, to: payee.account.address, amount: usdc })
    expect(await refusal(minted)).toBe('FiatToken: caller is not a minter')
    expect(await refusal(issue({ functionName: 'pause' }, relayer))).toBe(
      'Pausable: caller is not the pauser',
    )
    const listed = issue({ functionName: 'blacklist', args: [payee.account.address] }, relayer)
    expect(await refusal(listed)).toBe('Blacklistable: caller is not the blacklister')
  })
})

describe('the other ways to sign', () => {
  const walletAnswering = (magic: string) => `0x63${magic}60e01b5f5260205ff3` as const

  async function settleBytes(message: Authorization, signature: Hex) {
    const args = [...termsOf(message), signature] as const
    const call = {
      address: token,
      abi: testUsdc.abi,
      functionName: 'transferWithAuthorization',
      args,
    } as const
    const hash = await relayer.writeContract(call)
    return relayer.waitForTransactionReceipt({ hash })
  }

  test('the 65 bytes of a signature do the same as its v, r and s', async () => {
    const message = authorization()
    const signature = await signTransfer(message)
    expect(await refusal(settleBytes(message, signature.slice(0, -2) as Hex))).toBe(
      'ECRecover: invalid signature length',
    )
    await settleBytes(message, signature)
    expect(await balanceOf(message.to)).toBe(5n * usdc)
  })

  test('a smart wallet pays when it says that a signature is its own (ERC-1271), and not when it says otherwise', async () => {
    const message = authorization({ from: '0x00000000000000000000000000000000000a11e7' })
    const deployerKey = net.accounts[0]!.privateKey
    await mint({ url: net.url, deployerKey, token, to: message.from, amount: 5n * usdc })
    await rpc(net.url, 'anvil_setCode', [message.from, walletAnswering('ffffffff')])
    expect(await refusal(settleBytes(message, '0x1234'))).toBe('FiatTokenV2: invalid signature')
    await rpc(net.url, 'anvil_setCode', [message.from, walletAnswering('1626ba7e')])
    await settleBytes(message, '0x1234')
    expect(await balanceOf(message.to)).toBe(5n * usdc)
  })

  test('receiveWithAuthorization pays only when the payee calls it', async () => {
    const message = authorization()
    const signature = await sign(payer, 'ReceiveWithAuthorization', message)
    const args = [...termsOf(message), ...split(signature)] as const
    const call = {
      address: token,
      abi: testUsdc.abi,
      functionName: 'receiveWithAuthorization',
      args,
    } as const
    expect(await refusal(relayer.writeContract(call))).toBe('FiatTokenV2: caller must be the payee')
    await payee.waitForTransactionReceipt({ hash: await payee.writeContract(call) })
    expect(await balanceOf(message.to)).toBe(5n * usdc)
  })

  test('a permit lets a spender draw up to its amount, works once, and not after its deadline', async () => {
    const spend = { owner: payer.account.address, spender: relayer.account.address, value: 7n * usdc }
    const permit = async (terms: { nonce: bigint; deadline: bigint }) => {
      const signature = await sign(payer, 'Permit', { ...spend, ...terms })
      const args = [spend.owner, spend.spender, spend.value, terms.deadline, ...split(signature)] as const
      const hash = await relayer.writeContract({
        address: token,
        abi: testUsdc.abi,
        functionName: 'permit',
        args,
      })
      await relayer.waitForTransactionReceipt({ hash })
    }
    const draw = async (amount: bigint) => {
      const args = [spend.owner, payee.account.address, amount] as const
      const call = { address: token, abi: testUsdc.abi, functionName: 'transferFrom', args } as const
      await relayer.waitForTransactionReceipt({ hash: await relayer.writeContract(call) })
    }

    expect(await refusal(permit({ nonce: 0n, deadline: (await chainTime()) - 1n }))).toBe(
      'FiatTokenV2: permit is expired',
    )
    await permit({ nonce: 0n, deadline: forever })
    expect(await refusal(permit({ nonce: 0n, deadline: forever }))).toBe('EIP2612: invalid signature')
    expect(await refusal(draw(8n * usdc))).toBe('ERC20: transfer amount exceeds allowance')
    await draw(7n * usdc)
    expect(await refusal(draw(1n))).toBe('ERC20: transfer amount exceeds allowance')
    expect(await balanceOf(payee.account.address)).toBe(7n * usdc)
  })
})

describe('the local network', () => {
  test('with a block time, a token is deployed and filled without waiting for the next block', async () => {
    const slow = await startAnvil({ chainId: 84532, blockTime: 3600, slotsInAnEpoch: 1 })
    try {
      const [issuerKey, holder] = slow.accounts
      const deployer = { url: slow.url, deployerKey: issuerKey!.privateKey }
      const { address } = await deployUsdc(deployer)
      await mint({ ...deployer, token: address, to: holder!.address, amount: usdc })
      const client = await localClient(slow.url, holder!.privateKey)
      const args = [holder!.address] as const
      const read = client.readContract({ address, abi: eip3009Abi, functionName: 'balanceOf', args })
      expect([client.chain.id, await read]).toEqual([84532, usdc])
    } finally {
      await slow.stop()
    }
  })

  test('is gone once stopped, or when its signal is aborted', async () => {
    const control = new AbortController()
    const [stopped, aborted] = await Promise.all([startAnvil(), startAnvil({ signal: control.signal })])
    await Promise.all([stopped.stop(), stopped.stop()])
    control.abort()
    await aborted.stop()
    for (const { url } of [stopped, aborted]) await expect(rpc(url, 'eth_chainId')).rejects.toThrow()
  })

  test('says why when it cannot start, here on a port that is taken', async () => {
    await expect(startAnvil({ port: net.port })).rejects.toThrow('Address already in use')
  })
})

test('the committed contract artifact is what the Solidity source compiles to', async () => {
  const tool = fileURLToPath(new URL('../../tools/contracts.mjs', import.meta.url))
  await expect(promisify(execFile)(process.execPath, [tool, '--check'])).resolves.toBeDefined()
})

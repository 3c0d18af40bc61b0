import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateKeyToAddress } from 'viem/accounts'
import type { Hex } from '../../assets.ts'
import { type Config, readConfig } from '../../config.ts'
import type { Running, ServeFacts } from '../serve.ts'
import { deployUsdc, type Localnet, mint, startAnvil } from './localnet.ts'

/** Everything the demo plays with: a chain, a token, a provider, a router, and an agent with money and no gas. */
export type Scene = {
  net: Localnet
  token: Hex
  router: Running
  config: Config
  /** The model that answers, and who hosts it. */
  model: string
  host: string
  agentKey: Hex
  /** Of the operator `demo`, made for this run. */
  password: string
  close: () => Promise<void>
}

type Env = Readonly<Record<string, string | undefined>>
type Host = {
  model: string
  label: string
  provider: string
  hostModel: string
  input: string
  output: string
  yaml: string
  env: Env
}

const PAY_TO: Hex = '0x000000000000000000000000000000000000fa4e'
const AGENT_FUNDS = 5_000_000n

/** Sets the scene; `say` is told each step as it begins. */
export const openScene = async (
  start: ServeFacts['start'],
  env: Env,
  say: (step: string) => void,
): Promise<Scene> => {
  say('starting a local chain')
  const net = await startAnvil()
  const deployer = { url: net.url, deployerKey: net.accounts[0]!.privateKey }
  say('deploying a test USDC')
  const token = (await deployUsdc(deployer)).address.toLowerCase() as Hex
  const agentKey: Hex = `0x${randomBytes(32).toString('hex')}`
  await mint({ ...deployer, token, to: privateKeyToAddress(agentKey), amount: AGENT_FUNDS })
  const host = await findHost(env)
  const dir = mkdtempSync(join(tmpdir(), 'farebox-demo-'))
  say('starting the router')
  const password = randomBytes(9).toString('base64url')
  const config = readConfig(yaml(net, token, host, dir), {
    ...host.env,
    FAREBOX_QUOTE_SECRET: randomBytes(32).toString('hex'),
    FAREBOX_SETTLER_KEY: net.accounts[1]!.privateKey,
    FAREBOX_ADMIN_PASSWORD: password,
  })
  const router = await start(config, {})
  const close = async () => {
    await router.close(2_000)
    await net.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  return { net, token, router, config, model: host.model, host: host.label, agentKey, password, close }
}

/** OpenAI when its key is there, else a local Ollama, else the simulated provider. */
const findHost = async (env: Env): Promise<Host> => {
  const key = env['OPENAI_API_KEY']
  if (key) {
    return {
      model: 'openai/gpt-4o-mini',
      label: 'OpenAI',
      provider: 'openai',
      hostModel: 'gpt-4o-mini',
      input: '0.15',
      output: '0.60',
      yaml: '{ id: openai, type: openai, baseUrl: https://api.openai.com/v1, keyEnv: OPENAI_API_KEY }',
      env: { OPENAI_API_KEY: key },
    }
  }
  const local = await ollamaModel()
  if (local !== undefined) {
    return {
      model: `ollama/${local}`,
      label: 'Ollama on this machine',
      provider: 'ollama',
      hostModel: local,
      input: '0.05',
      output: '0.10',
      yaml: `{ id: ollama, type: openai, baseUrl: "${OLLAMA}/v1", firstByteMs: 120000 }`,
      env: {},
    }
  }
  return {
    model: 'simulated/talk',
    label: 'simulated, at the pace of a real one',
    provider: 'simulated',
    hostModel: 'talk',
    input: '0.15',
    output: '0.60',
    yaml: '',
    env: {},
  }
}

const OLLAMA = 'http://127.0.0.1:11434'

const ollamaModel = async (): Promise<string | undefined> => {
  try {
    const reply = await fetch(`${OLLAMA}/api/tags`, { signal: AbortSignal.timeout(500) })
    const { models } = (await reply.json()) as { models: { name: string }[] }
    return models.map((one) => one.name).find((name) => /^[\x21-\x7e]+$/.test(name))
  } catch {
    return undefined
  }
}

const yaml = (net: Localnet, token: Hex, host: Host, dir: string): string => `
server: { port: 0 }
store: "sqlite:${join(dir, 'farebox.db')}"
log: { level: silent }
desk: { operators: [{ name: demo, passwordEnv: FAREBOX_ADMIN_PASSWORD }] }
chains:
  - id: eip155:${net.chainId}
    rpc: ["${net.url}"]
    payTo: "${PAY_TO}"
    pollMs: 100
    assets: [{ symbol: USDC, address: "${token}" }]
providers:
  - { id: simulated, type: simulated }
${host.yaml && `  - ${host.yaml}`}
models:
  - { id: "${host.model}", hosts: [{ provider: ${host.provider}, model: "${host.hostModel}" }], inputPerMillion: "${host.input}", outputPerMillion: "${host.output}", maxOutput: 4096 }
  - { id: simulated/broken, hosts: [{ provider: simulated, model: broken }], inputPerMillion: "0.15", outputPerMillion: "0.60" }
pricing: { marginPercent: "5" }
`

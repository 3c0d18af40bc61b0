import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mint } from '../../src/cli/demo/localnet.ts'
import { agentAnswer, vectorOf } from '../support/agent-upstream.ts'
import { CHAIN_ID, startWorld, type World } from '../support/world.ts'

const BIN = fileURLToPath(new URL('../../bin/farebox.js', import.meta.url))
const EMBEDDER =
  '  - { id: test/embed, kind: embedding, hosts: [{ provider: up, model: upstream-embed }], inputPerMillion: "1", outputPerMillion: "0", context: 8000 }'

let world: World
let proxy: ChildProcess
let url: string
let said = ''
beforeAll(async () => {
  world = await startWorld({ extra: EMBEDDER })
  world.upstream.script(agentAnswer)
  const key = generatePrivateKey()
  const { net, token, farebox } = world
  const to = privateKeyToAccount(key).address
  await mint({ url: net.url, deployerKey: net.accounts[0]!.privateKey, token, to, amount: 10_000_000n })
  const asset = `eip155:${CHAIN_ID}/${token}`
  const args = ['proxy', '--url', farebox.url, '--port', '0', '--asset', asset]
  proxy = spawn(process.execPath, [BIN, ...args], { env: { ...process.env, FAREBOX_WALLET_KEY: key } })
  url = await new Promise((resolve, reject) => {
    const hear = (bytes: Buffer) => {
      said += bytes.toString('utf8')
      const found = /http:\/\/127\.0\.0\.1:\d+(?=\/v1)/.exec(said)
      if (found) resolve(found[0])
    }
    proxy.stdout!.on('data', hear)
    proxy.stderr!.on('data', hear)
    proxy.once('exit', () => reject(new Error(said)))
  })
})
afterAll(async () => {
  proxy?.kill('SIGINT')
  await world?.close()
})

const model = 'test/small'
const messages = [{ role: 'user' as const, content: 'Say hello.' }]

test('a client of OpenAI or of Anthropic needs the address of the proxy and no wallet', async () => {
  const openai = new OpenAI({ apiKey: 'unused', baseURL: `${url}/v1`, maxRetries: 0 })
  const anthropic = new Anthropic({ apiKey: 'unused', baseURL: url, maxRetries: 0 })

  const chat = await openai.chat.completions.create({ model, messages, max_tokens: 50 })
  expect(chat.choices[0]?.message.content).toBe('Hello there')
  const response = await openai.responses.create({ model, input: 'Say hello.', max_output_tokens: 50 })
  expect(response.output_text).toBe('Hello there')
  const streamed = openai.responses.stream({ model, input: 'Say hello.', max_output_tokens: 50 })
  expect((await streamed.finalResponse()).output_text).toBe('Hello there')
  const vectors = await openai.embeddings.create({ model: 'test/embed', input: 'Oslo' })
  expect([...vectors.data[0]!.embedding]).toEqual(vectorOf('Oslo'))
  const message = await anthropic.messages.create({ model, messages, max_tokens: 50 })
  expect(message.content).toMatchObject([{ type: 'text', text: 'Hello there' }])
  const told = await anthropic.messages.stream({ model, messages, max_tokens: 50 }).finalText()
  expect(told).toBe('Hello there')

  // Neither of these costs anything.
  expect((await anthropic.messages.countTokens({ model, messages })).input_tokens).toBeGreaterThan(3)
  expect((await openai.models.list()).data.map(({ id }) => id)).toContain('test/embed')
  expect(said.match(/^paid ≤ \$/gm)).toHaveLength(6)
})

test('what the router refuses is told as it says it, and is not paid', async () => {
  const openai = new OpenAI({ apiKey: 'unused', baseURL: `${url}/v1`, maxRetries: 0 })
  const refused = openai.responses.create({ model: 'test/none', input: 'Hi' })
  await expect(refused).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
})

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What stands between a router and a node may answer too: with a limit, a page, or half an answer. */
export type Illness = 'well' | 'limit' | 'page' | 'half'

export type IllNode = {
  url: string
  /** The node behind it. */
  aim: (target: string) => void
  fall: (ill: Illness) => void
  close: () => Promise<void>
}

/** A node behind a gateway that can fall ill, at the level of HTTP. */
export const startIllNode = async (): Promise<IllNode> => {
  let ill: Illness = 'well'
  let target = ''
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    if (ill === 'limit') return void response.writeHead(429, { 'retry-after': '1' }).end()
    if (ill === 'page')
      return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>busy</html>')
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(target, { method: 'POST', headers, body: Buffer.concat(parts) }).catch(
      () => undefined,
    )
    if (!reply) return void response.destroy()
    const text = await reply.text()
    response.writeHead(200, headers).end(ill === 'half' ? text.slice(0, text.length / 2) : text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    aim: (next) => {
      target = next
    },
    fall: (next) => {
      ill = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

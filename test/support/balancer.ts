import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A load balancer on loopback, as strict about repeating as one for money must be. */
export type Balancer = {
  url: string
  /** Numbers of the instances that get requests now. */
  inRotation: () => number[]
  /** Resolves when exactly these instances are in rotation; rejects after `ms`. */
  settled: (wanted: readonly number[], ms?: number) => Promise<void>
  close: () => Promise<void>
}

export type BalancerFacts = {
  /** Base URLs of the instances, in order. */
  targets: readonly string[]
  /** How often `/readyz` of each is asked, ms; 0 for never, so that who left stays away. */
  checkMs?: number
}

type Target = { url: URL; agent: Agent; up: boolean }

const CHECK_TIMEOUT_MS = 2_000

/**
 * Sends each request to the next instance in rotation. Only a refused connection sends it on to another one: what an
 * instance may have read is never sent twice. An instance leaves when it refuses, breaks off, or is not ready.
 */
export const startBalancer = async ({ targets, checkMs = 200 }: BalancerFacts): Promise<Balancer> => {
  const all: Target[] = targets.map((url) => ({
    url: new URL(url),
    agent: new Agent({ keepAlive: true }),
    up: true,
  }))
  let turn = 0
  const next = (tried: ReadonlySet<Target>): Target | undefined => {
    for (let i = 0; i < all.length; i++) {
      const target = all[(turn + i) % all.length]!
      if (!target.up || tried.has(target)) continue
      turn = (turn + i + 1) % all.length
      return target
    }
    return undefined
  }

  const forward = (from: IncomingMessage, to: ServerResponse, tried = new Set<Target>()): void => {
    const target = next(tried)
    if (!target) {
      answer(to, 503, 'no instance is ready')
      return
    }
    const onward = request(target.url, {
      agent: target.agent,
      method: from.method,
      path: from.url,
      headers: from.headers,
      setHost: false,
    })
    const left = () => onward.destroy()
    to.once('close', left)
    onward.once('response', (reply) => {
      to.writeHead(reply.statusCode ?? 502, reply.rawHeaders)
      to.flushHeaders()
      reply.pipe(to)
      // Never an end that looks complete.
      reply.on('error', () => to.destroy())
    })
    onward.once('error', (error: NodeJS.ErrnoException) => {
      to.off('close', left)
      if (to.destroyed) return
      // A connection that was kept and is closed says little of the instance.
      if (!onward.reusedSocket) target.up = false
      if (error.code === 'ECONNREFUSED') forward(from, to, tried.add(target))
      else if (to.headersSent) to.destroy()
      else answer(to, 502, 'the instance broke off')
    })
    // Not a byte of the body is taken before somebody is there to read it.
    onward.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => from.pipe(onward))
      else from.pipe(onward)
    })
  }

  const server = createServer({ requestTimeout: 0 }, (from, to) => forward(from, to))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stopping = new AbortController()
  const checks = all.map((target) => checkMs > 0 && watch(target, checkMs, stopping.signal))
  const inRotation = () => all.flatMap(({ up }, i) => (up ? [i] : []))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    inRotation,
    settled: async (wanted, ms = 15_000) => {
      const end = Date.now() + ms
      while (inRotation().join() !== [...wanted].join()) {
        if (Date.now() > end) throw new Error(`in rotation: ${inRotation().join()}, not ${wanted.join()}`)
        await sleep(20)
      }
    },
    close: async () => {
      stopping.abort()
      await Promise.all(checks)
      server.closeAllConnections()
      for (const { agent } of all) agent.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const watch = async (target: Target, checkMs: number, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    target.up = await isReady(target.url, signal)
    await sleep(checkMs, undefined, { signal }).catch(() => {})
  }
}

const isReady = async (url: URL, signal: AbortSignal): Promise<boolean> => {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)])
  try {
    const reply = await fetch(new URL('/readyz', url), { signal: limit })
    await reply.body?.cancel()
    return reply.ok
  } catch {
    return false
  }
}

const answer = (to: ServerResponse, status: number, message: string): void => {
  to.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' })
  to.end(JSON.stringify({ error: { message, code: 'balancer' } }))
}

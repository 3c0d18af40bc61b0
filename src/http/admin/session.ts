/** Signing in to the desk and out of it over HTTP, as JSON or as a form of its pages. */
import type { Context } from 'hono'
import { z } from 'zod'
import { type Entered, type Login, SIGN_IN_PATH, type Whence } from '../../accounts/login.ts'
import { messageOf } from '../../accounts/message.ts'
import type { SignIn } from '../../accounts/sign-in.ts'
import type { Reply } from '../../call/reply.ts'
import type { Desk } from '../../desk/desk.ts'
import { fail, Refusal } from '../../errors.ts'
import { encodeHeaderJson } from '../../wire/json.ts'
import { readBody, readText } from '../body.ts'
import type { Resource } from '../resources.ts'
import { type Env, headerOf, json } from '../send.ts'
import type { Guard, Visitor } from './guard.ts'

export type SessionFacts = {
  guard: Guard
  login: Login
  desk: Pick<Desk, 'run'>
  signIn: Pick<SignIn, 'challenge'>
  bodyLimit: number
  /** Where forms go on: when it is done, and when it was refused (`?refused=CODE`). */
  pages?: { home: string; signIn: string }
}

const HOME = '/admin'
const SIGN_IN_PAGE = '/admin/sign-in'

/** By name and password, or by a message of EIP-4361 and the signature over it. */
const signInRequest = z
  .strictObject({
    name: z.string().min(1).max(100).optional(),
    password: z.string().min(1).max(200).optional(),
    message: z.string().max(3_000).optional(),
    signature: z.string().max(200).optional(),
  })
  .refine(
    (one) =>
      one.message === undefined
        ? one.name !== undefined && one.password !== undefined
        : one.signature !== undefined,
    'say name and password, or message and signature',
  )
  .meta({ id: 'SignInRequest' })

const endRequest = z.strictObject({ all: z.boolean().optional() })

/** The resources under /admin/session. */
export const sessionResources = (facts: SessionFacts): Resource[] => {
  const { guard, signIn, bodyLimit } = facts
  const pages = facts.pages ?? { home: HOME, signIn: SIGN_IN_PAGE }
  return [
    {
      method: 'get',
      path: SIGN_IN_PATH,
      summary: 'Who is signed in to the desk, its roles, and the csrf token that its changes send.',
      paid: false,
      hidden: true,
      answer: async (c) => json(described(await guard.enter(c))),
    },
    {
      method: 'get',
      path: `${SIGN_IN_PATH}/challenge`,
      summary: 'A message to sign in to the desk with a wallet.',
      paid: false,
      hidden: true,
      counts: 'signIn',
      query: [
        { name: 'address', description: 'The wallet that will sign.' },
        { name: 'chain', description: 'Its chain, such as eip155:8453.' },
      ],
      answer: async (c) => {
        const address = c.req.query('address')
        if (address !== undefined) return json(challengeOf(signIn, address, c.req.query('chain')))
        const { info, supportedChains } = declared(signIn)
        return json({ ...info, supportedChains })
      },
    },
    {
      method: 'post',
      path: SIGN_IN_PATH,
      summary: 'Signs in to the desk by name and password or by wallet; the session is a cookie.',
      paid: false,
      hidden: true,
      counts: 'signIn',
      body: signInRequest,
      answer: async (c) => {
        guard.ownPage(c)
        if (!isForm(c)) {
          const said = await readBody(c, signInRequest, bodyLimit)
          return withCookie(await enter(facts, c, said), guard)
        }
        try {
          const form = Object.fromEntries(await readForm(c, bodyLimit))
          const { name, password, message, signature } = form
          const said = signInRequest.safeParse(message ? { message, signature } : { name, password })
          if (!said.success) throw fail('login_failed')
          const { secret } = await enter(facts, c, said.data)
          return redirect(pages.home, guard.cookie(secret))
        } catch (error) {
          if (!(error instanceof Refusal)) throw error
          return redirect(`${pages.signIn}?refused=${error.code}`)
        }
      },
    },
    {
      method: 'post',
      path: `${SIGN_IN_PATH}/end`,
      summary: 'Signs out of the desk; with `all`, everywhere.',
      paid: false,
      hidden: true,
      answer: async (c) => {
        const visitor = await guard.enter(c)
        const form = isForm(c) ? await readForm(c, bodyLimit) : undefined
        guard.change(c, visitor, form?.get('_csrf') ?? undefined)
        const all = form
          ? form.get('all') === 'true'
          : (await readInput(c, endRequest, bodyLimit)).all === true
        const { actor, session } = visitor
        if (!session) throw fail('session_required')
        const ended = await facts.desk.run(actor, 'session.end', all ? { all } : { id: session.id })
        if (form) return redirect(pages.signIn, guard.cookie())
        const reply = json(ended)
        return { ...reply, headers: { ...reply.headers, 'set-cookie': guard.cookie() } }
      },
    },
  ]
}

/** The fields of a form, of at most `limit` bytes. */
export const readForm = async (c: Context<Env>, limit: number): Promise<URLSearchParams> =>
  new URLSearchParams(await readText(c, limit))

/** The body as JSON; no body at all is an empty one. */
export const readInput = <T>(c: Context<Env>, schema: z.ZodType<T>, limit: number): Promise<T> => {
  const { incoming } = c.env ?? {}
  const empty = incoming
    ? incoming.headers['transfer-encoding'] === undefined &&
      Number(incoming.headers['content-length'] ?? 0) === 0
    : c.req.raw.body === null
  return empty ? schema.parseAsync({}) : readBody(c, schema, limit)
}

export const isForm = (c: Context<Env>): boolean =>
  /^application\/x-www-form-urlencoded\s*(;|$)/i.test(headerOf(c, 'content-type') ?? '')

/** Signs in as was said; the browser's session before ends with it. */
export const enter = (
  { guard, login }: Pick<SessionFacts, 'guard' | 'login'>,
  c: Context<Env>,
  { name, password, message, signature }: z.output<typeof signInRequest>,
): Promise<Entered> => {
  const whence: Whence = { from: guard.addressOf(c), before: guard.secretOf(c) }
  if (message === undefined) return login.byPassword({ name: name!, password: password! }, whence)
  const fields = fieldsOf(message)
  if (!fields) throw fail('sign_in_invalid', { problem: 'the message is not that of the challenge' })
  return login.byWallet(encodeHeaderJson({ ...fields, signature }), whence)
}

const described = ({ actor, session }: Visitor) => ({
  user: actor.user,
  name: actor.name,
  via: actor.via,
  grants: actor.grants,
  session: session?.id ?? null,
  csrf: session?.csrf ?? null,
  ends: session?.ends ?? null,
})

const withCookie = ({ secret, session }: Entered, guard: Guard): Reply => {
  const reply = json(described({ actor: session.actor, session }))
  return { ...reply, headers: { ...reply.headers, 'set-cookie': guard.cookie(secret) } }
}

const redirect = (location: string, cookie?: string): Reply => ({
  status: 303,
  headers: { location, 'cache-control': 'no-store, private', ...(cookie && { 'set-cookie': cookie }) },
  body: '',
})

type Info = {
  domain: string
  uri: string
  statement: string
  version: '1'
  nonce: string
  issuedAt: string
  expirationTime: string
  resources: string[]
}

/** What sign-in.ts declares. */
const declared = (signIn: SessionFacts['signIn']) =>
  signIn.challenge(SIGN_IN_PATH)['sign-in-with-x'] as { info: Info; supportedChains: { chainId: string }[] }

/** The same with the whole text that a wallet signs; on the first chain when none is said. */
const challengeOf = (signIn: SessionFacts['signIn'], address: string, chain?: string) => {
  const { info, supportedChains } = declared(signIn)
  const chainId = chain ?? supportedChains[0]?.chainId ?? ''
  if (!/^0x[0-9a-fA-F]{40}$/.test(address) || !supportedChains.some((one) => one.chainId === chainId))
    throw fail('invalid_request', { problem: 'address or chain: is none that can sign in', param: 'address' })
  return { ...info, supportedChains, chainId, address, message: messageOf({ ...info, address, chainId }) }
}

const FORM =
  /^(?<domain>.+) wants you to sign in with your Ethereum account:\n(?<address>0x[0-9a-fA-F]{40})\n\n(?<statement>.+)\n\nURI: (?<uri>.+)\nVersion: (?<version>.+)\nChain ID: (?<chain>\d+)\nNonce: (?<nonce>.+)\nIssued At: (?<issuedAt>.+)\nExpiration Time: (?<expirationTime>.+)(?<rest>(?:\nResources:)?(?:\n- .+)*)$/

/** The fields of a message as text; the signature is checked over the text that they make again. */
// A form makes its line ends anew.
const fieldsOf = (message: string): Record<string, unknown> | undefined => {
  const found = FORM.exec(message.replaceAll('\r\n', '\n'))?.groups
  if (!found) return undefined
  const { chain, rest = '', ...fields } = found
  const resources = [...rest.matchAll(/\n- (.+)/g)].map(([, one]) => one)
  return { ...fields, chainId: `eip155:${chain}`, type: 'eip191', ...(rest && { resources }) }
}

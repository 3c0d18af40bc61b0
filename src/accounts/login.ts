/** Signing in to the desk by name and password or by wallet: what is checked, in which order, and what is written of it. */
import type { Clock } from '../clock.ts'
import { fail, Refusal } from '../errors.ts'
import type { Records } from '../store/records.ts'
import { appending } from './audit.ts'
import type { Lockout } from './lockout.ts'
import { type Node, nodePut, SITE } from './node.ts'
import type { People, Person } from './operators.ts'
import { isSame, type Passwords } from './password.ts'
import type { Session, SessionRow, Sessions } from './sessions.ts'
import type { SignIn } from './sign-in.ts'
import { NODES } from './tables.ts'

/** Where somebody signs in from, and the session that the browser had before. */
export type Whence = { from: string | undefined; before: string | undefined }
/** `secret` opens the session. */
export type Entered = { secret: string; session: Session }

export type Login = {
  /** Refuses with `login_failed`, `login_locked` or `rate_limited`. */
  byPassword: (said: { name: string; password: string }, whence: Whence) => Promise<Entered>
  /** By a signed message for SIGN_IN_PATH, as the header of sign-in.ts has it. Never locked: nobody guesses a signature. */
  byWallet: (header: string, whence: Whence) => Promise<Entered>
}

/** What the message of a wallet is signed for. */
export const SIGN_IN_PATH = '/admin/session'

export type LoginFacts = {
  records: Records
  clock: Clock
  people: People
  passwords: Passwords
  lockout: Lockout
  sessions: Sessions
  signIn: Pick<SignIn, 'read' | 'once'>
}

export const createLogin = (facts: LoginFacts): Login => {
  const { records, clock, people, passwords, lockout, sessions, signIn } = facts

  /** Opens the session and writes that down, or neither. */
  const enter = async (
    person: Person,
    { via, failed, from, before }: Whence & { via: SessionRow['via']; failed: number },
  ): Promise<Entered> => {
    for (let tries = 0; tries < TRIES; tries++) {
      const { secret, session, writes } = sessions.open(person, { via, from, before })
      const after = { session: session.id, ...(failed > 0 && { failedBefore: failed }) }
      const entry = entryOf('sign-in', person, { name: person.name, via, from, after })
      if ((await records.write([...writes, ...(await appending(records, entry))])).ok)
        return { secret, session }
      await clock.sleep(Math.random() * 4 * (tries + 1))
    }
    throw fail('busy_here')
  }

  const failed = async (name: string, person: Person | undefined, via: SessionRow['via'], from?: string) => {
    if (!(await lockout.mayTell())) return
    const entry = entryOf('sign-in.failed', person, { name: printable(name), via, from, after: null })
    for (let tries = 0; tries < TRIES; tries++) {
      if ((await records.write(await appending(records, entry))).ok) return
      await clock.sleep(Math.random() * 4 * (tries + 1))
    }
  }

  const entryOf = (
    what: string,
    person: Person | undefined,
    told: {
      name: string
      via: string
      from: string | undefined
      after: Record<string, string | number> | null
    },
  ) => ({
    time: clock.now(),
    actor: {
      user: person?.user ?? 'nobody',
      name: told.name,
      via: told.via,
      ...(told.from !== undefined && { from: told.from }),
    },
    what,
    at: person?.path.at(-1) ?? SITE,
    path: person?.path ?? [],
    before: null,
    after: told.after,
  })

  /** Always the work of one scrypt, whoever it is. */
  const isRight = async (person: Person | undefined, password: string): Promise<boolean> => {
    const kept = person?.login.password
    const plain = person?.login.plain
    const byHash = await passwords.verify(password, kept)
    const byPlain = isSame(plain ?? '', password) && plain !== undefined && plain !== ''
    return byHash || byPlain
  }

  /** Written anew when it was kept with less work than now; then the person is another by its stamps. */
  const renewed = async (person: Person, password: string): Promise<Person> => {
    const kept = person.login.password
    if (kept === undefined || !passwords.isOld(kept)) return person
    const row = await records.get<Node>(NODES, person.user)
    if (row?.value.login?.password !== kept) return person
    const login = { ...row.value.login, password: await passwords.hash(password) }
    await records.write([nodePut({ ...row.value, login }, row.version)])
    return (await people.byId(person.user)) ?? person
  }

  return {
    byPassword: async ({ name, password }, { from, before }) => {
      const address = from ?? 'unknown'
      const tries = await lockout.take(name, address)
      const person = await people.byName(name)
      const right = await isRight(person, password).catch(async (error: unknown) => {
        if (error instanceof Refusal) await lockout.giveBack(name, address)
        throw error
      })
      if (!person || !right) {
        await failed(name, person, 'password', from)
        throw fail('login_failed')
      }
      await lockout.passed(name, address)
      return enter(await renewed(person, password), { via: 'password', failed: tries, from, before })
    },
    byWallet: async (header, { from, before }) => {
      const signed = await signIn.read(header, SIGN_IN_PATH)
      await signIn.once(signed)
      const person = await people.byWallet(signed.payer)
      if (person) return enter(person, { via: 'wallet', failed: 0, from, before })
      await lockout.take(signed.payer, from ?? 'unknown')
      await failed(signed.payer, undefined, 'wallet', from)
      throw fail('login_failed')
    },
  }
}

const TRIES = 50

/** What a stranger typed, fit to be read. */
const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)

import type { Actor } from '../../../accounts/roles.ts'
import type { Reply } from '../../../call/reply.ts'
import type { Desk } from '../../../desk/desk.ts'
import { fail, Refusal } from '../../../errors.ts'
import type { Resource } from '../../resources.ts'
import type { Guard } from '../guard.ts'
import { isForm, readForm } from '../session.ts'
import { flashCookie } from './flash.ts'
import { inputOf } from './forms.ts'
import { type AssetPaths, bare } from './layout.ts'
import { copyable } from './parts.ts'
import { type RefusedForm, refusalOf } from './scene.ts'
import { isOurs, page, redirect } from './send.ts'
import { documentOf, tags } from './tags.ts'

const { a, div, h1, p } = tags

type Visitor = { actor: Actor; csrf: string }

export type DoFacts = {
  desk: Pick<Desk, 'run'>
  secure: boolean
  assets: AssetPaths
  guard: Pick<Guard, 'visitor' | 'change'>
  bodyLimit: number
  /** Draws the page that a form came from once more, with what it said and why not. */
  draw: (
    visitor: Visitor,
    at: string,
    more: { refused: RefusedForm },
  ) => Promise<{ html: string } | undefined>
  isPage: (at: string) => boolean
}

/** What is said when a change is done. */
const DONE: Readonly<Record<string, string>> = {
  'org.create': 'The organisation is there.',
  'team.create': 'The team is there.',
  'user.create': 'The user is there.',
  'user.login': 'Saved. Its sessions end where it signs in by something else now.',
  'me.password': 'Your password is changed.',
  'key.create': 'The key is there.',
  'node.rename': 'The new name is saved.',
  'node.move': 'It was moved.',
  'node.freeze': 'Saved; it holds from now on.',
  'node.delete': 'It was deleted; its history stays.',
  'node.rules': 'The rules are saved.',
  'node.budgets': 'The budgets are saved.',
  'approval.decide': 'Your decision is saved.',
  'role.grant': 'The role was given.',
  'role.revoke': 'The role was taken back.',
  'hook.delete': 'The webhook was deleted.',
  'hook.test': 'A test event is on its way.',
  'delivery.redeliver': 'It is sent once more.',
  'token.revoke': 'The token ended.',
  'session.end': 'The session ended.',
}

/** The door of all forms: checks who sends it, does it by the desk, and leads back to where it came from. */
export const doing = (facts: DoFacts): Resource => ({
  method: 'post',
  path: '/admin/do/:operation',
  summary: 'A form of the pages for operators.',
  paid: false,
  hidden: true,
  answer: async (c): Promise<Reply> => {
    const operation = c.req.param('operation') ?? ''
    const found = await facts.guard.visitor(c)
    if (!found?.session) return redirect('/admin/sign-in')
    if (!isForm(c)) throw fail('media_type_unsupported')
    const form = await readForm(c, facts.bodyLimit)
    try {
      facts.guard.change(c, found, form.get('_csrf') ?? '')
    } catch (error) {
      if (error instanceof Refusal) return stale(facts)
      throw error
    }
    const visitor = { actor: found.actor, csrf: found.session.csrf }
    const asked = form.get('_back') ?? ''
    const back = isOurs(asked) && facts.isPage(asked) ? asked : '/admin'
    try {
      const approval = form.get('_approval') || undefined
      const result = await facts.desk.run(visitor.actor, operation, inputOf(form), approval)
      const secret = secretOf(result)
      if (secret !== undefined) return page(secretPage(facts.assets, { ...secret, back, operation }))
      const then = form.get('_then') ?? ''
      const cookie = flashCookie(
        { kind: 'good', text: DONE[operation] ?? 'Done.' },
        visitor.csrf,
        facts.secure,
      )
      return redirect(isOurs(then) ? then : back, cookie)
    } catch (error) {
      const { text } = refusalOf(error, operation)
      const values = new Map([...form].filter(([name]) => !name.startsWith('_')))
      const waits = error instanceof Refusal ? error.details['approval'] : undefined
      const refused = {
        form: form.get('_form') ?? '',
        text,
        values,
        ...(waits !== undefined && { approval: String(waits) }),
      }
      const drawn = await facts.draw(visitor, back, { refused })
      if (drawn) return page(drawn.html, { status: 422 })
      return redirect(back, flashCookie({ kind: 'bad', text }, visitor.csrf, facts.secure))
    }
  },
})

// The page is older than the session, or somebody else's page sent it: nothing is done.
const stale = ({ assets }: DoFacts): Reply =>
  page(
    documentOf(
      bare(
        'Not done',
        assets,
        div(
          { class: 'card' },
          h1('Nothing was changed'),
          p('The form was older than your session. Open the page again and repeat it.'),
          p(a({ href: '/admin' }, 'Go to the overview')),
        ),
      ),
    ),
    { status: 403 },
  )

type Shown = { secret: string; name: string | undefined }

const secretOf = (result: unknown): Shown | undefined => {
  const made = (result ?? {}) as { secret?: unknown; token?: unknown; node?: { name?: string } }
  const secret = typeof made.secret === 'string' ? made.secret : made.token
  return typeof secret === 'string' ? { secret, name: made.node?.name } : undefined
}

const WHAT: Readonly<Record<string, string>> = {
  'key.create': 'key',
  'key.rotate': 'key',
  'token.create': 'token',
  'hook.create': 'signing secret',
  'hook.rotate': 'signing secret',
}

// Answered at once and nowhere kept, so that it is in no cookie and in no address.
const secretPage = (assets: AssetPaths, about: Shown & { back: string; operation: string }): string => {
  const what = WHAT[about.operation] ?? 'secret'
  return documentOf(
    bare(
      `Your new ${what}`,
      assets,
      div(
        { class: 'card' },
        h1(about.name === undefined ? `Your new ${what}` : `The ${what} of ${about.name}`),
        p('It is shown once, now, and never again: copy it to where it will be used.'),
        div({ class: 'secret' }, copyable(about.secret, `the ${what}`)),
        a({ class: 'button primary', href: about.back }, 'I have copied it'),
      ),
    ),
  )
}

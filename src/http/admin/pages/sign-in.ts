import type { Context } from 'hono'
import type { Resource } from '../../resources.ts'
import type { Env } from '../../send.ts'
import { field } from './form-parts.ts'
import { type AssetPaths, bare } from './layout.ts'
import { page, redirect } from './send.ts'
import { documentOf, tags } from './tags.ts'

const { button, div, form, h1, p } = tags

type Facts = { assets: AssetPaths; isIn: (c: Context<Env>) => Promise<boolean> }

/** The page before all others; what its forms send goes to /admin/session. */
export const signInPage = ({ assets, isIn }: Facts): Resource => ({
  method: 'get',
  path: '/admin/sign-in',
  summary: 'The way in for operators.',
  paid: false,
  hidden: true,
  answer: async (c) => {
    if (await isIn(c)) return redirect('/admin')
    const refused = c.req.query('refused')
    const problem = refused === undefined ? undefined : WHY[Object.hasOwn(WHY, refused) ? refused : 'other']
    return page(documentOf(bare('Sign in', assets, signInForm(problem))), {
      status: problem === undefined ? 200 : 401,
    })
  },
})

// Words of our own, since what stands in the address may come from anywhere.
const WHY: Readonly<Record<string, string>> = {
  login_failed: 'Login and password do not match.',
  login_locked: 'Too many wrong passwords. Wait some minutes, then try again.',
  rate_limited: 'Too many tries. Wait a moment, then try again.',
  csrf_failed: 'The form did not come from this page. Try again here.',
  other: 'You could not be signed in. Try again in a moment.',
}

const signInForm = (problem: string | undefined) =>
  div(
    { class: 'card' },
    h1('Sign in'),
    problem !== undefined && p({ class: 'flash bad', role: 'alert' }, problem),
    form(
      { method: 'post', action: '/admin/session', class: 'stack' },
      field('in', { name: 'name', label: 'Login', required: true, autocomplete: 'username', maxlength: 100 }),
      field('in', {
        name: 'password',
        label: 'Password',
        type: 'password',
        required: true,
        autocomplete: 'current-password',
        maxlength: 200,
      }),
      div({ class: 'buttons' }, button({ type: 'submit', class: 'primary' }, 'Sign in')),
    ),
    form(
      { id: 'wallet', class: 'or', method: 'post', action: '/admin/session', hidden: true },
      p({ id: 'wallet-problem', class: 'refused', role: 'alert', hidden: true }),
      button({ type: 'submit' }, 'Sign in with a wallet'),
    ),
  )

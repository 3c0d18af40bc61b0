import { action } from './form-parts.ts'
import type { Page } from './layout.ts'
import { badge, card, empty, grid, shown } from './parts.ts'
import { allowedSomewhere, type Scene } from './scene.ts'
import { type Child, tags } from './tags.ts'
import { ago } from './words.ts'

const { div, span } = tags

type SessionRow = {
  id: string
  via: string
  from: string | null
  created: number
  seen: number
  ends: number
}
type TokenRow = {
  id: string
  name: string
  created: number
  expires: number
  grants: readonly { role: string; at: string }[]
}

/** One's own roles, sessions and tokens. */
export const mePage = async (scene: Scene): Promise<Page> => {
  const [sessions, tokens] = await Promise.all([
    scene.ask<{ sessions: readonly SessionRow[] }>('session.list'),
    scene.ask<{ tokens: readonly TokenRow[] }>('token.list'),
  ])
  return {
    title: 'Sessions and tokens',
    lead: ['Signed in as ', span({ dir: 'auto' }, scene.actor.name), `, by ${scene.actor.via}.`],
    content: div(
      { class: 'cards' },
      card(
        { title: 'Open sessions', wide: true },
        shown(sessions, (all) => sessionTable(scene, all.sessions)),
        action(scene, {
          operation: 'session.end',
          id: 'end-all',
          hidden: { 'all:bool': 'true' },
          submit: 'End all sessions',
          tone: 'danger',
          confirm: 'End all your sessions? You are signed out everywhere, here too.',
        }),
      ),
      card(
        { title: 'Tokens', wide: true, note: 'For machines that call the operations of the desk.' },
        shown(tokens, (all) => tokenTable(scene, all.tokens)),
      ),
      card({ title: 'New token', note: 'It is shown once, right after.' }, tokenForm(scene)),
      scene.actor.user.startsWith('user_') && card({ title: 'Your password' }, passwordForm(scene)),
      card({ title: 'Your roles' }, rolesOf(scene)),
    ),
  }
}

const sessionTable = (scene: Scene, sessions: readonly SessionRow[]): Child =>
  grid({
    caption: 'Your open sessions',
    columns: [
      { label: 'From' },
      { label: 'Signed in' },
      { label: 'Last used' },
      { label: 'Ends' },
      { label: 'Actions', hush: true, end: true },
    ],
    rows: sessions.map((one) => [
      [one.from ?? 'an unknown address', span({ class: 'sub' }, `by ${one.via}`)],
      ago(one.created, scene.now),
      ago(one.seen, scene.now),
      ago(one.ends, scene.now),
      action(scene, {
        operation: 'session.end',
        id: `end-${one.id}`,
        hidden: { id: one.id },
        submit: 'End',
        spoken: `End the session from ${one.from ?? 'an unknown address'}`,
        tone: 'quiet',
        inline: true,
      }),
    ]),
    none: empty('There is no open session.'),
  })

const tokenTable = (scene: Scene, tokens: readonly TokenRow[]): Child =>
  grid({
    caption: 'Your tokens',
    columns: [
      { label: 'Name' },
      { label: 'Roles' },
      { label: 'Made' },
      { label: 'Ends' },
      { label: 'Actions', hush: true, end: true },
    ],
    rows: tokens.map((one) => [
      one.name,
      one.grants.map(({ role, at }) => badge('info', `${role} at ${at}`)),
      ago(one.created, scene.now),
      ago(one.expires, scene.now),
      action(scene, {
        operation: 'token.revoke',
        id: `revoke-${one.id}`,
        hidden: { id: one.id },
        submit: 'Revoke',
        spoken: `Revoke ${one.name}`,
        tone: 'danger',
        inline: true,
        confirm: `Revoke ${one.name}? Whoever uses it is shut out at once.`,
      }),
    ]),
    none: empty('You have no token.'),
  })

const tokenForm = (scene: Scene): Child =>
  action(scene, {
    operation: 'token.create',
    id: 'token-create',
    hidden: { 'grants:array': '' },
    fields: [
      { name: 'name', label: 'Name', required: true, maxlength: 64 },
      { name: 'days:number', label: 'Ends after days', value: '90', inputmode: 'numeric' },
      {
        name: 'grants.0.role',
        label: 'Role',
        value: 'auditor',
        options: [...new Set(['auditor', ...scene.actor.grants.map(({ role }) => role)])].map((one) => [
          one,
          one,
        ]),
      },
      {
        name: 'grants.0.at',
        label: 'At',
        options: [...new Set(scene.actor.grants.map(({ at }) => at))].map((at) => [
          at,
          at === 'site' ? 'the whole router' : at,
        ]),
      },
    ],
    submit: 'Create token',
  })

const passwordForm = (scene: Scene): Child =>
  action(scene, {
    operation: 'me.password',
    id: 'password',
    fields: [
      {
        name: 'present:exact',
        label: 'Present password',
        type: 'password',
        required: true,
        autocomplete: 'current-password',
      },
      {
        name: 'next:exact',
        label: 'New password',
        type: 'password',
        required: true,
        hint: 'At least 12 characters. Your sessions end with the old one: sign in again.',
        autocomplete: 'new-password',
      },
    ],
    submit: 'Change password',
  })

const rolesOf = (scene: Scene): Child =>
  grid({
    caption: 'Your roles',
    columns: [{ label: 'Role' }, { label: 'At' }],
    rows: scene.actor.grants.map(({ role, at }) => [role, at === 'site' ? 'the whole router' : at]),
    none: allowedSomewhere(scene.actor, 'tree.read')
      ? undefined
      : empty('You have no role yet. An owner of your organisation can give you one.'),
  })

import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'

/** Where a list goes on, for who must not learn the id that stands there: opaque, and the same to all instances. */
export type Cursors = {
  seal: (id: string) => string
  /** Undefined for what was not sealed here. */
  open: (cursor: string) => string | undefined
}

const PREFIX = 'cur_'
const NONCE = 12
const TAG = 16

/** `secrets` are read each time: the first seals, all open. */
export const createCursors = (secrets: () => readonly string[]): Cursors => {
  const keyOf = (secret: string) => hash('sha256', `farebox cursor v1\n${secret}`, 'buffer')
  const opened = (bytes: Buffer, secret: string): string | undefined => {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), bytes.subarray(0, NONCE))
    decipher.setAuthTag(bytes.subarray(-TAG))
    try {
      return decipher.update(bytes.subarray(NONCE, -TAG), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }
  return {
    seal: (id) => {
      const nonce = randomBytes(NONCE)
      const cipher = createCipheriv('aes-256-gcm', keyOf(secrets()[0]!), nonce)
      const sealed = [nonce, cipher.update(id, 'utf8'), cipher.final(), cipher.getAuthTag()]
      return PREFIX + Buffer.concat(sealed).toString('base64url')
    },
    open: (cursor) => {
      const bytes = Buffer.from(cursor.slice(PREFIX.length), 'base64url')
      if (!isCursor(cursor) || bytes.length <= NONCE + TAG) return undefined
      for (const secret of secrets()) {
        const id = opened(bytes, secret)
        if (id !== undefined) return id
      }
      return undefined
    },
  }
}

/** Whether a text looks like one, and not like an id. */
export const isCursor = (text: string): boolean => text.startsWith(PREFIX)

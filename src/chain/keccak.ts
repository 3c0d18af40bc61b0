import { createKeccak } from 'hash-wasm'

// Loaded once: WebAssembly is compiled asynchronously, hashing is then synchronous and 10 × faster than in JavaScript.
const hasher = await createKeccak(256)

/** Keccak-256 of bytes. */
export const keccak = (bytes: Uint8Array): Uint8Array => hasher.init().update(bytes).digest('binary')

/** Keccak-256 of a UTF-8 text. */
export const keccakText = (text: string): Uint8Array => hasher.init().update(text).digest('binary')

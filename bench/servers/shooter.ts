/** The load generator: a process of its own, the same for every contestant. */
import { shoot } from '../shoot.ts'
import { serveParent } from './answer.ts'

serveParent('', { shoot })

import type { WireDelta } from '../openai.ts'
import type { OutputItem, Tell } from './output.ts'

type CallStatus = 'in_progress' | 'completed' | 'incomplete'
export type ToolItem =
  | {
      id: string
      type: 'function_call'
      status: CallStatus
      call_id: string
      name: string
      arguments: string
    }
  | { id: string; type: 'custom_tool_call'; status: CallStatus; call_id: string; name: string; input: string }

export type CallsOptions = {
  nameOf: (kind: string) => string
  put: (item: OutputItem) => number
  end: (at: number) => void
  tell: Tell
  /** Begins the id of a call that came without one of its own. */
  callId: string
}

export type Calls = {
  /** Says whether the delta held any call. */
  add: (delta: WireDelta, whole: boolean) => boolean
  close: (status: 'completed' | 'incomplete') => void
}

/** `at`: its place in the output, once its name is known. */
type Call = { id: string; name: string; written: string; custom: boolean; at?: number; item?: ToolItem }

/** Gathers the tool calls of one answer. They may be written side by side, so each stays open until the answer ends. */
export const newCalls = ({ nameOf, put, end, tell, callId }: CallsOptions): Calls => {
  let open: Call[] = []
  const byKey = new Map<unknown, Call>()
  const taken = new Set<string>()

  const begin = (call: Call): ToolItem => {
    const free = call.id !== '' && !taken.has(call.id)
    const call_id = free ? call.id : `${callId}_${taken.size}`
    taken.add(call_id)
    const common = { status: 'in_progress', call_id, name: call.name } as const
    call.item = call.custom
      ? { id: nameOf('ctc'), type: 'custom_tool_call', ...common, input: '' }
      : { id: nameOf('fc'), type: 'function_call', ...common, arguments: '' }
    call.at = put(call.item)
    return call.item
  }
  const write = (call: Call, delta: string): void => {
    const item = call.item ?? begin(call)
    if (delta === '') return
    const place = { item_id: item.id, output_index: call.at }
    if (item.type === 'function_call') {
      item.arguments += delta
      tell('response.function_call_arguments.delta', { ...place, delta })
    } else {
      item.input += delta
      tell('response.custom_tool_call_input.delta', { ...place, delta })
    }
  }
  /** The call that a piece goes on with. Some hosts give no index, or the same one to every call. */
  const find = ({ key, id, name }: Piece): Call | undefined => {
    const found = key === undefined ? open.at(-1) : byKey.get(key)
    if (!found || name === '') return found
    const another = key === undefined ? found.name !== '' : id !== '' && found.id !== '' && found.id !== id
    return another ? undefined : found
  }
  const take = (piece: Piece): void => {
    let call = find(piece)
    if (!call) {
      call = { id: '', name: '', written: '', custom: piece.custom }
      open.push(call)
      byKey.set(piece.key, call)
    }
    call.id ||= piece.id
    call.name ||= piece.name
    call.written += piece.written
    if (call.name === '') return
    write(call, call.written)
    call.written = ''
  }
  const endOne = (call: Call, status: 'completed' | 'incomplete'): void => {
    write(call, call.written)
    const { item, at } = call
    if (!item || at === undefined) return
    const place = { item_id: item.id, output_index: at }
    if (item.type === 'function_call') {
      const { name, arguments: written } = item
      tell('response.function_call_arguments.done', { ...place, name, arguments: written })
    } else tell('response.custom_tool_call_input.done', { ...place, input: item.input })
    item.status = status
    end(at)
  }

  return {
    add: (delta, whole) => {
      const pieces = piecesOf(delta, whole)
      for (const piece of pieces) take(piece)
      return pieces.length > 0
    },
    close: (status) => {
      for (const call of open) endOne(call, status)
      open = []
      byKey.clear()
    },
  }
}

type Piece = { key: unknown; id: string; name: string; written: string; custom: boolean }

const piecesOf = ({ tool_calls, function_call }: WireDelta, whole: boolean): Piece[] => {
  const pieces = (Array.isArray(tool_calls) ? tool_calls : []).filter(isObject).map((one, i): Piece => {
    const custom = isObject(one['custom'])
    const part = one['function'] ?? one['custom']
    const id = text(one['id'])
    const key = whole ? `#${i}` : (one['index'] ?? (id === '' ? undefined : `id ${id}`))
    return { key, id, custom, ...partOf(part) }
  })
  const legacy = isObject(function_call)
    ? [{ key: 'legacy', id: '', custom: false, ...partOf(function_call) }]
    : []
  return [...pieces, ...legacy]
}

const partOf = (part: unknown): Pick<Piece, 'name' | 'written'> =>
  isObject(part)
    ? { name: text(part['name']), written: written(part['arguments'] ?? part['input']) }
    : { name: '', written: '' }

// Some hosts give an object where its JSON belongs.
const written = (value: unknown): string => (isObject(value) ? JSON.stringify(value) : text(value))

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

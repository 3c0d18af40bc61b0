const tokenPermissions = [
  { type: 'address', name: 'token' },
  { type: 'uint256', name: 'amount' },
] as const

const permitTransferFrom = [
  { type: 'tuple', name: 'permitted', components: tokenPermissions },
  { type: 'uint256', name: 'nonce' },
  { type: 'uint256', name: 'deadline' },
] as const

const eip2612Permit = [
  { type: 'uint256', name: 'value' },
  { type: 'uint256', name: 'deadline' },
  { type: 'bytes32', name: 'r' },
  { type: 'bytes32', name: 's' },
  { type: 'uint8', name: 'v' },
] as const

const exactWitness = [
  { type: 'address', name: 'to' },
  { type: 'uint256', name: 'validAfter' },
] as const

const uptoWitness = [
  { type: 'address', name: 'to' },
  { type: 'address', name: 'facilitator' },
  { type: 'uint256', name: 'validAfter' },
] as const

/** x402ExactPermit2Proxy: moves the whole permitted amount to `witness.to`; anybody may submit. Source: x402 contracts/evm. */
export const x402ExactPermit2ProxyAbi = [
  {
    type: 'function',
    name: 'settle',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'permit', type: 'tuple', components: permitTransferFrom },
      { name: 'owner', type: 'address' },
      { name: 'witness', type: 'tuple', components: exactWitness },
      { name: 'signature', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'settleWithPermit',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'permit2612', type: 'tuple', components: eip2612Permit },
      { name: 'permit', type: 'tuple', components: permitTransferFrom },
      { name: 'owner', type: 'address' },
      { name: 'witness', type: 'tuple', components: exactWitness },
      { name: 'signature', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'PERMIT2',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'address' }],
  },
  {
    type: 'function',
    name: 'WITNESS_TYPEHASH',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'WITNESS_TYPE_STRING',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'string' }],
  },
  { type: 'event', name: 'Settled', inputs: [] },
  { type: 'event', name: 'SettledWithPermit', inputs: [] },
  {
    type: 'event',
    name: 'EIP2612PermitFailedWithReason',
    inputs: [
      { name: 'token', type: 'address', indexed: true },
      { name: 'owner', type: 'address', indexed: true },
      { name: 'reason', type: 'string', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'EIP2612PermitFailedWithPanic',
    inputs: [
      { name: 'token', type: 'address', indexed: true },
      { name: 'owner', type: 'address', indexed: true },
      { name: 'errorCode', type: 'uint256', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'EIP2612PermitFailedWithData',
    inputs: [
      { name: 'token', type: 'address', indexed: true },
      { name: 'owner', type: 'address', indexed: true },
      { name: 'data', type: 'bytes', indexed: false },
    ],
  },
  { type: 'error', name: 'InvalidAmount', inputs: [] },
  { type: 'error', name: 'InvalidDestination', inputs: [] },
  { type: 'error', name: 'InvalidOwner', inputs: [] },
  { type: 'error', name: 'InvalidPermit2Address', inputs: [] },
  { type: 'error', name: 'PaymentTooEarly', inputs: [] },
  { type: 'error', name: 'Permit2612AmountMismatch', inputs: [] },
  { type: 'error', name: 'ReentrancyGuardReentrantCall', inputs: [] },
] as const

/** x402UptoPermit2Proxy: moves `amount` ≤ permitted; only `witness.facilitator` may submit, and 0 is refused. Source: x402 contracts/evm. */
export const x402UptoPermit2ProxyAbi = [
  {
    type: 'function',
    name: 'settle',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'permit', type: 'tuple', components: permitTransferFrom },
      { name: 'amount', type: 'uint256' },
      { name: 'owner', type: 'address' },
      { name: 'witness', type: 'tuple', components: uptoWitness },
      { name: 'signature', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'settleWithPermit',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'permit2612', type: 'tuple', components: eip2612Permit },
      { name: 'permit', type: 'tuple', components: permitTransferFrom },
      { name: 'amount', type: 'uint256' },
      { name: 'owner', type: 'address' },
      { name: 'witness', type: 'tuple', components: uptoWitness },
      { name: 'signature', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'PERMIT2',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'address' }],
  },
  {
    type: 'function',
    name: 'WITNESS_TYPEHASH',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'WITNESS_TYPE_STRING',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'string' }],
  },
  { type: 'event', name: 'Settled', inputs: [] },
  { type: 'event', name: 'SettledWithPermit', inputs: [] },
  {
    type: 'event',
    name: 'EIP2612PermitFailedWithReason',
    inputs: [
      { name: 'token', type: 'address', indexed: true },
      { name: 'owner', type: 'address', indexed: true },
      { name: 'reason', type: 'string', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'EIP2612PermitFailedWithPanic',
    inputs: [
      { name: 'token', type: 'address', indexed: true },
      { name: 'owner', type: 'address', indexed: true },
      { name: 'errorCode', type: 'uint256', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'EIP2612PermitFailedWithData',
    inputs: [
      { name: 'token', type: 'address', indexed: true },
      { name: 'owner', type: 'address', indexed: true },
      { name: 'data', type: 'bytes', indexed: false },
    ],
  },
  { type: 'error', name: 'InvalidAmount', inputs: [] },
  { type: 'error', name: 'InvalidDestination', inputs: [] },
  { type: 'error', name: 'InvalidOwner', inputs: [] },
  { type: 'error', name: 'InvalidPermit2Address', inputs: [] },
  { type: 'error', name: 'PaymentTooEarly', inputs: [] },
  { type: 'error', name: 'Permit2612AmountMismatch', inputs: [] },
  { type: 'error', name: 'ReentrancyGuardReentrantCall', inputs: [] },
  { type: 'error', name: 'AmountExceedsPermitted', inputs: [] },
  { type: 'error', name: 'UnauthorizedFacilitator', inputs: [] },
] as const

const channelConfig = [
  { type: 'address', name: 'payer' },
  { type: 'address', name: 'payerAuthorizer' },
  { type: 'address', name: 'receiver' },
  { type: 'address', name: 'receiverAuthorizer' },
  { type: 'address', name: 'token' },
  { type: 'uint40', name: 'withdrawDelay' },
  { type: 'bytes32', name: 'salt' },
] as const

const voucher = [
  { type: 'tuple', name: 'channel', components: channelConfig },
  { type: 'uint128', name: 'maxClaimableAmount' },
] as const

const voucherClaim = [
  { type: 'tuple', name: 'voucher', components: voucher },
  { type: 'bytes', name: 'signature' },
  { type: 'uint128', name: 'totalClaimed' },
] as const

/** x402BatchSettlement: channels with cumulative vouchers. A claim only books; `settle` moves, with one Transfer for a receiver and token. Source: x402 contracts/evm. */
export const batchSettlementAbi = [
  {
    type: 'function',
    name: 'multicall',
    stateMutability: 'nonpayable',
    inputs: [{ name: 'data', type: 'bytes[]' }],
    outputs: [{ name: 'results', type: 'bytes[]' }],
  },
  {
    type: 'function',
    name: 'deposit',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'config', type: 'tuple', components: channelConfig },
      { name: 'amount', type: 'uint128' },
      { name: 'collector', type: 'address' },
      { name: 'collectorData', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'claim',
    stateMutability: 'nonpayable',
    inputs: [{ name: 'voucherClaims', type: 'tuple[]', components: voucherClaim }],
    outputs: [],
  },
  {
    type: 'function',
    name: 'claimWithSignature',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'voucherClaims', type: 'tuple[]', components: voucherClaim },
      { name: 'authorizerSignature', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'settle',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'receiver', type: 'address' },
      { name: 'token', type: 'address' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'refund',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'config', type: 'tuple', components: channelConfig },
      { name: 'amount', type: 'uint128' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'refundWithSignature',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'config', type: 'tuple', components: channelConfig },
      { name: 'amount', type: 'uint128' },
      { name: 'nonce', type: 'uint256' },
      { name: 'receiverAuthorizerSignature', type: 'bytes' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'initiateWithdraw',
    stateMutability: 'nonpayable',
    inputs: [
      { name: 'config', type: 'tuple', components: channelConfig },
      { name: 'amount', type: 'uint128' },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'finalizeWithdraw',
    stateMutability: 'nonpayable',
    inputs: [{ name: 'config', type: 'tuple', components: channelConfig }],
    outputs: [],
  },
  {
    type: 'function',
    name: 'channels',
    stateMutability: 'view',
    inputs: [{ name: 'channelId', type: 'bytes32' }],
    outputs: [
      { name: 'balance', type: 'uint128' },
      { name: 'totalClaimed', type: 'uint128' },
    ],
  },
  {
    type: 'function',
    name: 'pendingWithdrawals',
    stateMutability: 'view',
    inputs: [{ name: 'channelId', type: 'bytes32' }],
    outputs: [
      { name: 'amount', type: 'uint128' },
      { name: 'initiatedAt', type: 'uint40' },
    ],
  },
  {
    type: 'function',
    name: 'receivers',
    stateMutability: 'view',
    inputs: [
      { name: 'receiver', type: 'address' },
      { name: 'token', type: 'address' },
    ],
    outputs: [
      { name: 'totalClaimed', type: 'uint128' },
      { name: 'totalSettled', type: 'uint128' },
    ],
  },
  {
    type: 'function',
    name: 'refundNonce',
    stateMutability: 'view',
    inputs: [{ name: 'channelId', type: 'bytes32' }],
    outputs: [{ name: '', type: 'uint256' }],
  },
  {
    type: 'function',
    name: 'getChannelId',
    stateMutability: 'view',
    inputs: [{ name: 'config', type: 'tuple', components: channelConfig }],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'getVoucherDigest',
    stateMutability: 'view',
    inputs: [
      { name: 'channelId', type: 'bytes32' },
      { name: 'maxClaimableAmount', type: 'uint128' },
    ],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'getRefundDigest',
    stateMutability: 'view',
    inputs: [
      { name: 'channelId', type: 'bytes32' },
      { name: 'nonce', type: 'uint256' },
      { name: 'amount', type: 'uint128' },
    ],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'getClaimBatchDigest',
    stateMutability: 'view',
    inputs: [{ name: 'voucherClaims', type: 'tuple[]', components: voucherClaim }],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'function',
    name: 'CHANNEL_CONFIG_TYPEHASH',
    stateMutability: 'view',
    inputs: [],
    outputs: [{ name: '', type: 'bytes32' }],
  },
  {
    type: 'event',
    name: 'ChannelCreated',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'config', type: 'tuple', components: channelConfig, indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'ChannelClosed',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'config', type: 'tuple', components: channelConfig, indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'Deposited',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount', type: 'uint128', indexed: false },
      { name: 'newBalance', type: 'uint128', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'Claimed',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
      { name: 'claimAmount', type: 'uint128', indexed: false },
      { name: 'newTotalClaimed', type: 'uint128', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'Settled',
    inputs: [
      { name: 'receiver', type: 'address', indexed: true },
      { name: 'token', type: 'address', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount', type: 'uint128', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'Refunded',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount', type: 'uint128', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'WithdrawInitiated',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'amount', type: 'uint128', indexed: false },
      { name: 'finalizeAfter', type: 'uint40', indexed: false },
    ],
  },
  {
    type: 'event',
    name: 'WithdrawFinalized',
    inputs: [
      { name: 'channelId', type: 'bytes32', indexed: true },
      { name: 'sender', type: 'address', indexed: true },
      { name: 'amount', type: 'uint128', indexed: false },
    ],
  },
  { type: 'error', name: 'InvalidChannel', inputs: [] },
  { type: 'error', name: 'ZeroDeposit', inputs: [] },
  { type: 'error', name: 'DepositOverflow', inputs: [] },
  { type: 'error', name: 'InvalidSignature', inputs: [] },
  { type: 'error', name: 'NotReceiverAuthorizer', inputs: [] },
  { type: 'error', name: 'NotAuthorizedToClaim', inputs: [] },
  { type: 'error', name: 'NotAuthorizedToRefund', inputs: [] },
  { type: 'error', name: 'ClaimExceedsCeiling', inputs: [] },
  { type: 'error', name: 'ClaimExceedsBalance', inputs: [] },
  { type: 'error', name: 'WithdrawalAlreadyPending', inputs: [] },
  { type: 'error', name: 'WithdrawalNotPending', inputs: [] },
  { type: 'error', name: 'NotAuthorizedToFinalizeWithdraw', inputs: [] },
  { type: 'error', name: 'WithdrawDelayNotElapsed', inputs: [] },
  { type: 'error', name: 'NothingToWithdraw', inputs: [] },
  { type: 'error', name: 'WithdrawAmountExceedsAvailable', inputs: [] },
  { type: 'error', name: 'WithdrawDelayOutOfRange', inputs: [] },
  { type: 'error', name: 'EmptyBatch', inputs: [] },
  { type: 'error', name: 'DepositCollectionFailed', inputs: [] },
  { type: 'error', name: 'InvalidCollector', inputs: [] },
  { type: 'error', name: 'InvalidRefundNonce', inputs: [] },
  { type: 'error', name: 'ZeroRefund', inputs: [] },
  { type: 'error', name: 'ReentrancyGuardReentrantCall', inputs: [] },
] as const

// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

uint256 constant HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
bytes4 constant ERC1271_MAGIC = 0x1626ba7e;

/// The signer of a 65-byte signature with a low s, or zero.
function recoverSigner(bytes32 digest, bytes calldata signature) pure returns (address) {
    if (signature.length != 65) return address(0);
    bytes32 s = bytes32(signature[32:64]);
    if (uint256(s) > HALF_N) return address(0);
    return ecrecover(digest, uint8(signature[64]), bytes32(signature[0:32]), s);
}

/// As tokens and channels ask: the key of an account without code, or else the account's own word (ERC-1271).
function isSignedBy(address signer, bytes32 digest, bytes calldata signature) view returns (bool) {
    if (signer == address(0)) return false;
    if (signer.code.length == 0) return recoverSigner(digest, signature) == signer;
    (bool ok, bytes memory answer) = signer.staticcall(abi.encodeWithSelector(ERC1271_MAGIC, digest, signature));
    return ok && answer.length >= 32 && abi.decode(answer, (bytes32)) == bytes32(ERC1271_MAGIC);
}

/// Moves tokens, also those that answer nothing (USDT).
function safeTransfer(address token, address to, uint256 amount) {
    (bool ok, bytes memory answer) = token.call(abi.encodeWithSelector(0xa9059cbb, to, amount));
    require(ok && (answer.length == 0 ? token.code.length > 0 : abi.decode(answer, (bool))), "transfer failed");
}

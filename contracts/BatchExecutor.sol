// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// Code for an account that settles many payments in one transaction. The account delegates itself to this
/// contract (EIP-7702) and calls itself; every target then sees the account as msg.sender. It has no storage,
/// no owner, no delegatecall, sends no value, and answers to nobody but the account it runs in.
contract BatchExecutor {
    /// The item at `index` did nothing: it reverted, used up its gas, or was not tried at all.
    event Failed(uint256 indexed index);

    error NotSelf();
    error NotEnoughGas();
    /// The last item does not end where the bytes do.
    error CutShort();

    /// Held back for an item beside its cap and its bytes: two cold accesses (a delegated target costs both),
    /// the log of its failure and the loop, with room to spare.
    uint256 private constant ITEM_RESERVE = 7000;
    uint256 private constant HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// Tries the items in order; none can stop or starve another as long as the transaction's gas covers all caps
    /// and reserves. Items are written without padding, which saves a tenth: for each, 3 bytes of the most gas that its
    /// call may use, 20 of its target, 2 of length, then its data. Reverts only for a foreign caller, for bytes that are
    /// cut short, or before the first item when even the reserves are missing.
    function execute(bytes calldata items) external {
        if (msg.sender != address(this)) revert NotSelf();
        uint256 reserve = _survey(items);
        if (gasleft() < reserve) revert NotEnoughGas();
        bytes32 failed = Failed.selector;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let end := add(items.offset, items.length)
            let index := 0
            for { let at := items.offset } lt(at, end) { index := add(index, 1) } {
                let head := calldataload(at)
                let cap := shr(232, head)
                let target := shr(96, shl(24, head))
                let size := and(shr(56, head), 0xffff)
                at := add(at, 25)
                let spare := gas()
                spare := mul(gt(spare, reserve), sub(spare, reserve))
                // A call never gets the last 64th. Without this it would silently get less than its cap.
                spare := sub(spare, shr(6, spare))
                reserve := sub(reserve, add(ITEM_RESERVE, size))
                let ok := 0
                // A call to no code succeeds and proves nothing; one to ourselves could log failures under our indexes.
                if and(
                    and(gt(cap, 0), iszero(gt(cap, spare))),
                    and(iszero(eq(target, address())), gt(extcodesize(target), 0))
                ) {
                    calldatacopy(free, at, size)
                    // The answer is not copied: a long one would be paid from the others' gas.
                    ok := call(cap, target, 0, free, size, 0, 0)
                }
                if iszero(ok) { log2(0, 0, failed, index) }
                at := add(at, size)
            }
        }
    }

    /// ERC-1271 for tokens that ask any account with code: valid when this account's own key signed the digest.
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 65) return 0xffffffff;
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > HALF_N) return 0xffffffff;
        address signer = ecrecover(digest, uint8(signature[64]), bytes32(signature[0:32]), s);
        return signer != address(0) && signer == address(this) ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    // Whatever else is sent here succeeds and does nothing, as with an account that has no code.
    receive() external payable {}

    fallback() external payable {}

    // What all items together hold back.
    function _survey(bytes calldata items) private pure returns (uint256 reserve) {
        bool whole;
        assembly ("memory-safe") {
            let end := add(items.offset, items.length)
            let longest := 0
            let at := items.offset
            for {} lt(at, end) {} {
                let size := and(shr(56, calldataload(at)), 0xffff)
                if gt(size, longest) { longest := size }
                reserve := add(reserve, add(ITEM_RESERVE, size))
                at := add(at, add(25, size))
            }
            whole := eq(at, end)
            // Pays for all memory now, so that no item has to later.
            if longest { mstore(add(mload(0x40), longest), 0) }
        }
        if (!whole) revert CutShort();
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// Code for an account that settles many payments in one transaction. The account delegates itself to this
/// contract (EIP-7702) and calls itself; every target then sees the account as msg.sender. It has no storage,
/// no owner, no delegatecall, sends no value, and answers to nobody but the account it runs in.
contract BatchExecutor {
    struct Item {
        address target;
        bytes data;
        /// The most gas the call may use; 0: an equal share of what the items with a cap do not need.
        uint256 gas;
    }

    /// The item at `index` did nothing: it reverted, used up its gas, or was not tried at all.
    event Failed(uint256 indexed index);

    error NotSelf();
    error NotEnoughGas();

    /// Held back for an item beside its cap and its bytes: two cold accesses (a delegated target costs both),
    /// the log of its failure and the loop, with room to spare.
    uint256 private constant ITEM_RESERVE = 7000;
    uint256 private constant HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// Tries the items in order; none can stop or starve another as long as the transaction's gas covers all caps
    /// and reserves. Reverts only for a foreign caller, or before the first item when even the reserves are missing.
    function execute(Item[] calldata items) external {
        if (msg.sender != address(this)) revert NotSelf();
        uint256 limit = gasleft();
        (uint256 reserve, uint256 caps, uint256 uncapped) = _survey(items, limit);
        if (gasleft() < reserve) revert NotEnoughGas();
        for (uint256 i = 0; i < items.length; ++i) {
            Item calldata item = items[i];
            bytes calldata data = item.data;
            uint256 cap = item.gas;
            uint256 spare = gasleft();
            spare = spare > reserve ? spare - reserve : 0;
            // A call never gets the last 64th. Without this check it would silently get less than its cap.
            spare -= spare / 64;
            unchecked {
                reserve -= ITEM_RESERVE + data.length;
                if (cap == 0) {
                    if (spare > caps) cap = (spare - caps) / uncapped;
                    --uncapped;
                } else if (cap <= limit) {
                    caps -= cap;
                }
            }
            if (cap == 0 || cap > spare || !_tried(item.target, data, cap)) emit Failed(i);
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

    function _survey(Item[] calldata items, uint256 limit)
        private
        pure
        returns (uint256 reserve, uint256 caps, uint256 uncapped)
    {
        uint256 longest = 0;
        unchecked {
            for (uint256 i = 0; i < items.length; ++i) {
                Item calldata item = items[i];
                uint256 length = item.data.length;
                if (length > longest) longest = length;
                reserve += ITEM_RESERVE + length;
                // A cap above the whole transaction's gas can never be met: nothing is kept for it.
                if (item.gas == 0) ++uncapped;
                else if (item.gas <= limit) caps += item.gas;
            }
        }
        // Pays for all memory now, so that no item has to later.
        assembly ("memory-safe") {
            if longest { mstore(add(mload(0x40), longest), 0) }
        }
    }

    function _tried(address target, bytes calldata data, uint256 cap) private returns (bool ok) {
        // A call to no code succeeds and proves nothing; one to ourselves could log failures under our indexes.
        if (target == address(this) || target.code.length == 0) return false;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, data.offset, data.length)
            // The answer is not copied: a long one would be paid from the others' gas.
            ok := call(cap, target, 0, free, data.length, 0, 0)
        }
    }
}

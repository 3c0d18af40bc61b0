// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC1271_MAGIC, recoverSigner} from "./Signatures.sol";

/// A contract wallet (ERC-1271) that can be made to behave badly when it is asked about a signature.
contract TestWallet1271 {
    address public immutable owner;
    uint256 public burnGas;
    bool public onlyUnpriced;
    bool public revoked;

    constructor(address owner_) {
        owner = owner_;
    }

    modifier onlyOwner() {
        require(msg.sender == owner, "not the owner");
        _;
    }

    /// `burn`: gas to waste on every question; `unpriced`: says yes only at gas price 0, as in an eth_call;
    /// `revoke`: says no to everything.
    function setMode(uint256 burn, bool unpriced, bool revoke) external onlyOwner {
        burnGas = burn;
        onlyUnpriced = unpriced;
        revoked = revoke;
    }

    function execute(address target, bytes calldata data) external onlyOwner returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call(data);
        require(ok, "call failed");
        return answer;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        uint256 end = burnGas < gasleft() ? gasleft() - burnGas : 0;
        while (gasleft() > end) {}
        if (revoked || (onlyUnpriced && tx.gasprice > 0)) return 0xffffffff;
        return recoverSigner(digest, signature) == owner ? ERC1271_MAGIC : bytes4(0xffffffff);
    }

    receive() external payable {}
}

/// What a payer's key may be delegated to by EIP-7702: it keeps signing as before, and anybody may make it call.
contract TestDelegate {
    function execute(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call(data);
        require(ok, "call failed");
        return answer;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return recoverSigner(digest, signature) == address(this) ? ERC1271_MAGIC : bytes4(0xffffffff);
    }

    receive() external payable {}
}

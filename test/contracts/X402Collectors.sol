// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    PermitsPermit2,
    Permit2,
    PERMIT2_ADDRESS,
    PermitTransferFrom,
    SignatureTransferDetails,
    TokenPermissions
} from "./Permit2.sol";
import {safeTransfer} from "./Signatures.sol";

interface Receivable {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;
}

abstract contract TestCollector {
    address public constant x402BatchSettlement = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;

    error OnlyX402BatchSettlement();

    modifier onlySettlement() {
        if (msg.sender != x402BatchSettlement) revert OnlyX402BatchSettlement();
        _;
    }
}

/// Stand-in for ERC3009DepositCollector; data: (validAfter, validBefore, salt, signature).
contract TestErc3009Collector is TestCollector {
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata data)
        external
        onlySettlement
    {
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(data, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        Receivable(token).receiveWithAuthorization(
            payer, address(this), amount, validAfter, validBefore, nonce, signature
        );
        safeTransfer(token, x402BatchSettlement, amount);
    }
}

/// Stand-in for Permit2DepositCollector; data: (nonce, deadline, signature, EIP-2612 permit or nothing).
contract TestPermit2Collector is TestCollector, PermitsPermit2 {
    Permit2 public constant PERMIT2 = Permit2(PERMIT2_ADDRESS);
    string public constant DEPOSIT_WITNESS_TYPE_STRING =
        "DepositWitness witness)DepositWitness(bytes32 channelId)TokenPermissions(address token,uint256 amount)";
    bytes32 public constant DEPOSIT_WITNESS_TYPEHASH = keccak256("DepositWitness(bytes32 channelId)");

    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata data)
        external
        onlySettlement
    {
        (uint256 nonce, uint256 deadline, bytes memory signature, bytes memory permit) =
            abi.decode(data, (uint256, uint256, bytes, bytes));
        if (permit.length > 0) {
            EIP2612Permit memory p;
            (p.value, p.deadline, p.v, p.r, p.s) = abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
            _permitPermit2(token, payer, amount, p);
        }
        PERMIT2.permitWitnessTransferFrom(
            PermitTransferFrom(TokenPermissions(token, amount), nonce, deadline),
            SignatureTransferDetails(x402BatchSettlement, amount),
            payer,
            keccak256(abi.encode(DEPOSIT_WITNESS_TYPEHASH, channelId)),
            DEPOSIT_WITNESS_TYPE_STRING,
            signature
        );
    }
}

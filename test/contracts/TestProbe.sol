// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// A target for the tests of BatchExecutor: counts good calls, and misbehaves in every way asked of it.
contract TestProbe {
    mapping(uint256 id => uint256) public hits;
    mapping(uint256 id => uint256) public gasSeen;
    uint256 public reentered;

    function hit(uint256 id) external {
        ++hits[id];
    }

    /// Notes how much gas it was given.
    function weigh(uint256 id) external {
        gasSeen[id] = gasleft();
    }

    function fail() external pure {
        revert("no");
    }

    function burn() external pure {
        assembly {
            invalid()
        }
    }

    function spin() external view {
        while (gasleft() > 0) {}
    }

    /// Answers with as many bytes as its gas pays for.
    function bomb(bool revert_) external pure {
        assembly {
            let size := 400000
            if revert_ { revert(0, size) }
            return(0, size)
        }
    }

    /// Calls its caller with `data`; notes when the caller took it.
    function reenter(bytes calldata data) external {
        (bool ok,) = msg.sender.call(data);
        if (ok) ++reentered;
    }
}

import { assert, describe, it } from "@effect/vitest"
import { createdOutputs } from "../../src/consensus/BlockRules.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { toHex } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import { devnet, dueTime, mainnet, networks, testnet } from "../../src/protocol/Network.ts"
import { utxoSetHash } from "../../src/protocol/UtxoSetHash.ts"
import { blockOf, readVectors } from "../fixtures/Vectors.ts"

const cases = readVectors("hashes.json").genesis

describe("genesis", () => {
  it("is the recorded block of both networks", () => {
    assert.strictEqual(cases.length, 2)
    for (const { block_line, hash, network, p2p_port, rpc_port, txid } of cases) {
      const ours = networks[network.toLowerCase() as keyof typeof networks]
      const { block, hash: ourHash, txids } = genesis(ours)
      assert.deepStrictEqual(block, blockOf(block_line))
      assert.strictEqual(toHex(ourHash), hash)
      assert.deepStrictEqual(txids.map(toHex), [txid])
      assert.deepStrictEqual([ours.p2pPort, ours.rpcPort], [p2p_port, rpc_port])
    }
  })

  it("is another one for every network that somebody begins", () => {
    const begun = (genesisTime: bigint) => toHex(genesis(devnet({ genesisTime, blockSeconds: 5n })).hash)
    assert.strictEqual(new Set([1_800_000_000n, 1_800_000_001n, testnet.genesisTime].map(begun)).size, 3)
    assert.strictEqual(dueTime(devnet({ genesisTime: 100n, blockSeconds: 5n }), height(3)), 115n)
  })

  it("leaves one output, which counts in the hash of the set", () => {
    const setHash = (network: typeof testnet) => {
      const { block, txids } = genesis(network)
      return toHex(utxoSetHash(createdOutputs(block, txids)))
    }
    assert.strictEqual(setHash(testnet), "0098b7eb69bfd82bc919f390b8054980c5169c345a0a312111f507b983dacaca")
    assert.strictEqual(setHash(mainnet), "c8e2e5ba8b4370c08759d4fec4aca09626d23395621f1fa65ed7eedefd6bcac1")
  })
})

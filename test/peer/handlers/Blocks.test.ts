import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { blockHash } from "../../../src/protocol/Block.ts"
import { genesis } from "../../../src/protocol/Genesis.ts"
import { toHex, ZERO_HASH } from "../../../src/protocol/Hash.ts"
import { height } from "../../../src/protocol/Height.ts"
import { MAX_U64 } from "../../../src/protocol/Integer.ts"
import * as Limits from "../../../src/protocol/Limits.ts"
import { testnet } from "../../../src/protocol/Network.ts"
import type { Height } from "../../../src/protocol/Height.ts"
import type { PeerId } from "../../../src/protocol/PeerId.ts"
import * as Wire from "../../../src/protocol/wire/Wire.ts"
import { Blockchain, BlockRejected, type OfferedBlock } from "../../../src/services/Blockchain.ts"
import type { BlockRejection } from "../../../src/consensus/BlockRejection.ts"
import { StoreError } from "../../../src/services/ChainStore.ts"
import { Sync } from "../../../src/services/Sync.ts"
import * as Layer from "effect/Layer"
import { chainTo, connection, onlyAnswer, peer, said } from "../Fixture.ts"
import { deeds, handle, handling } from "./Handling.ts"

const blocks = chainTo(5)
const hashes = blocks.map(({ header }) => blockHash(header))

interface RangeCall {
  readonly from: bigint
  readonly to: bigint
  readonly count: number
  readonly bytes: number
}

/** A chain of blocks 0 to 5. */
const shortChain = (ranges: Array<RangeCall> = []) =>
  Blockchain.layerTest({
    tip: () => ({ height: height(5), hash: hashes[5]!, timestamp: blocks[5]!.header.timestamp }),
    hashAt: (at) => hashes[Number(at)],
    heightOf: (hash) => {
      const at = hashes.findIndex((known) => toHex(known) === toHex(hash))
      return at < 0 ? undefined : height(at)
    },
    blocks: (from, to, limits) =>
      Effect.sync(() => {
        ranges.push({ from, to, ...limits })
        return blocks.filter(({ header }) => header.height >= from && header.height <= to).map(Wire.encodeBlock)
      })
  })

describe("answers about the chain", () => {
  it.effect("height, hash and genesis", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "GetBlockHeight" },
        { _tag: "GetBlockHash", height: height(3) },
        { _tag: "GetBlockHash", height: height(6) },
        { _tag: "GetBlockHash", height: height(MAX_U64) },
        { _tag: "GetGenesisHash" }
      ])
      assert.deepStrictEqual(said(seen.sent), [
        [peer(1), { _tag: "BlockHeightResponse", height: height(5) }],
        [peer(1), { _tag: "BlockHashResponse", height: height(3), hash: hashes[3]! }],
        [peer(1), { _tag: "BlockHashResponse", height: height(6), hash: null }],
        [peer(1), { _tag: "BlockHashResponse", height: height(MAX_U64), hash: null }],
        [peer(1), { _tag: "GenesisHashResponse", hash: genesis(testnet).hash }]
      ])
    }).pipe(Effect.provide(handling(seen, shortChain())))
  })

  it.effect("a consensus query agrees, disagrees, and names the zero hash for a block that is not here", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "ConsensusQuery", height: height(2), blockHash: hashes[2]! },
        { _tag: "ConsensusQuery", height: height(2), blockHash: hashes[3]! },
        { _tag: "ConsensusQuery", height: height(9), blockHash: ZERO_HASH }
      ])
      assert.deepStrictEqual(
        said(seen.sent).map(([, message]) => message),
        [
          { _tag: "ConsensusQueryResponse", agrees: true, height: height(2), theirHash: hashes[2]! },
          { _tag: "ConsensusQueryResponse", agrees: false, height: height(2), theirHash: hashes[2]! },
          { _tag: "ConsensusQueryResponse", agrees: false, height: height(9), theirHash: ZERO_HASH }
        ]
      )
    }).pipe(Effect.provide(handling(seen, shortChain())))
  })

  it.effect("ranges are inclusive, and end where the chain does", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "GetBlocks", start: height(1), end: height(3) },
        { _tag: "GetBlockRange", startHeight: height(4), endHeight: height(MAX_U64) },
        { _tag: "GetBlocks", start: height(6), end: height(9) },
        { _tag: "GetBlocks", start: height(2), end: height(2) }
      ])
      assert.deepStrictEqual(
        said(seen.sent).map(([, message]) => message),
        [
          { _tag: "BlocksResponse", blocks: blocks.slice(1, 4) },
          { _tag: "BlockRangeResponse", blocks: blocks.slice(4) },
          { _tag: "BlocksResponse", blocks: [] },
          { _tag: "BlocksResponse", blocks: [blocks[2]!] }
        ]
      )
    }).pipe(Effect.provide(handling(seen, shortChain())))
  })

  it.effect("a range that ends before it starts is empty, and nothing is read for it", () => {
    const seen = deeds()
    const ranges: Array<RangeCall> = []
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "GetBlocks", start: height(3), end: height(2) },
        { _tag: "GetBlockRange", startHeight: height(MAX_U64), endHeight: height(0) }
      ])
      assert.deepStrictEqual(
        said(seen.sent).map(([, message]) => message),
        [
          { _tag: "BlocksResponse", blocks: [] },
          { _tag: "BlockRangeResponse", blocks: [] }
        ]
      )
      assert.deepStrictEqual(ranges, [])
    }).pipe(Effect.provide(handling(seen, shortChain(ranges))))
  })

  it.effect("an answer to a range without end is bounded in blocks and bytes, more widely for a timed", () => {
    const seen = deeds()
    const ranges: Array<RangeCall> = []
    return Effect.gen(function* () {
      const all = { _tag: "GetBlocks", start: height(0), end: height(MAX_U64) } as const
      yield* handle([all], connection({ agent: "timed" }))
      yield* handle([all], connection({ agent: "timenode" }))
      assert.deepStrictEqual(
        ranges.map(({ bytes, count }) => ({ bytes, count })),
        [
          { bytes: Limits.BLOCKS_ANSWER_TIMED, count: 101 },
          { bytes: Limits.BLOCKS_ANSWER, count: 101 }
        ]
      )
    }).pipe(Effect.provide(handling(seen, shortChain(ranges))))
  })

  it.effect("a single block, and silence for one that is not here", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "BlockRequest", height: height(9) },
        { _tag: "BlockRequest", height: height(2) }
      ])
      assert.deepStrictEqual(onlyAnswer(seen.sent, "BlockResponse").block, blocks[2])
    }).pipe(Effect.provide(handling(seen, shortChain())))
  })

  it.effect("a store that fails leaves the request unanswered and the next one answered", () => {
    const seen = deeds()
    const failing = Blockchain.layerTest({
      blocks: () => Effect.fail(new StoreError({ operation: "blocks", reason: "Failed", detail: "disk" }))
    })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "GetBlocks", start: height(0), end: height(1) }, { _tag: "GetBlockHeight" }])
      assert.strictEqual(onlyAnswer(seen.sent, "BlockHeightResponse").height, 0n)
    }).pipe(Effect.provide(handling(seen, failing)))
  })
})

describe("announced blocks", () => {
  /** Hands the announcement over and reports what became of it, as the chain would. */
  const announced = (decide: (offered: OfferedBlock) => void, options: { readonly banAt?: number } = {}) => {
    const seen = deeds()
    const reports: Array<readonly [PeerId, Height]> = []
    const layers = Layer.mergeAll(
      Blockchain.layerTest({
        heightOf: (hash) => (toHex(hash) === toHex(hashes[1]!) ? height(1) : undefined),
        offer: (offered) =>
          Effect.sync(() => {
            decide(offered)
            return true
          })
      }),
      Sync.layerTest({ report: (from, at) => Effect.sync(() => void reports.push([from, at])) })
    )
    return { seen, reports, layer: handling(seen, layers, options) }
  }

  const connected = (offered: OfferedBlock) =>
    offered.decided({ _tag: "Connected", tip: { height: height(5), hash: hashes[5]!, timestamp: 0n } })

  const rejected = (rejection: BlockRejection) => (offered: OfferedBlock) =>
    offered.decided(new BlockRejected({ height: offered.block.header.height, hash: "", rejection }))

  it.effect("a block that was put on is passed on, but not back", () => {
    const { layer, seen } = announced(connected)
    return Effect.gen(function* () {
      yield* handle([{ _tag: "BlockAnnouncement", block: blocks[5]! }])
      assert.deepStrictEqual(seen.relayed, [[{ _tag: "BlockAnnouncement", block: blocks[5]! }, peer(1)]])
      assert.deepStrictEqual(seen.useful, [[peer(1), "block"]])
    }).pipe(Effect.provide(layer))
  })

  it.effect("blocks that were put on together are passed on each, though their verdicts name one tip", () => {
    const { layer, seen } = announced(connected)
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "BlockAnnouncement", block: blocks[4]! },
        { _tag: "BlockAnnouncement", block: blocks[5]! }
      ])
      assert.deepStrictEqual(
        seen.relayed.map(([message]) => message),
        [
          { _tag: "BlockAnnouncement", block: blocks[4]! },
          { _tag: "BlockAnnouncement", block: blocks[5]! }
        ]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("a block that is on the chain already is not offered again", () => {
    const { layer, reports, seen } = announced(() => assert.fail("offered"))
    return Effect.gen(function* () {
      yield* handle([{ _tag: "BlockAnnouncement", block: blocks[1]! }])
      assert.deepStrictEqual([seen.relayed, seen.offences, seen.useful, reports], [[], [], [], []])
    }).pipe(Effect.provide(layer))
  })

  it.effect("an orphan says that its sender's chain goes on beyond ours", () => {
    const { layer, reports, seen } = announced((offered) => offered.decided({ _tag: "Orphan" }))
    return Effect.gen(function* () {
      yield* handle([{ _tag: "BlockAnnouncement", block: blocks[4]! }])
      assert.deepStrictEqual(reports, [[peer(1), height(4)]])
      assert.deepStrictEqual([seen.relayed, seen.offences], [[], []])
    }).pipe(Effect.provide(layer))
  })

  it.effect("known blocks and side branches are nobody's fault and nobody's news", () => {
    const verdicts = [
      { _tag: "AlreadyKnown" },
      { _tag: "SideBranch", parent: height(1), fork: height(1), length: 1 }
    ] as const
    let next = 0
    const { layer, reports, seen } = announced((offered) => offered.decided(verdicts[next++]!))
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "BlockAnnouncement", block: blocks[3]! },
        { _tag: "BlockAnnouncement", block: blocks[4]! }
      ])
      assert.strictEqual(next, 2)
      assert.deepStrictEqual([seen.relayed, seen.offences, seen.useful, reports], [[], [], [], []])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a block that no honest peer sends is its sender's offence, and at some point a ban", () => {
    const { layer, seen } = announced(rejected({ _tag: "HeightMismatch", expected: 1n, actual: 2n }), { banAt: 2 })
    return Effect.gen(function* () {
      yield* handle([{ _tag: "BlockAnnouncement", block: blocks[2]! }])
      assert.deepStrictEqual([seen.offences.length, seen.disconnects.length], [1, 0])
      yield* handle([{ _tag: "BlockAnnouncement", block: blocks[3]! }])
      assert.deepStrictEqual(seen.offences, [
        [peer(1), "invalidBlock"],
        [peer(1), "invalidBlock"]
      ])
      assert.deepStrictEqual(seen.disconnects, [[peer(1), "banned"]])
      assert.deepStrictEqual(seen.relayed, [])
    }).pipe(Effect.provide(layer))
  })

  const outpoint = { txid: ZERO_HASH, vout: 0 }
  const honest: ReadonlyArray<readonly [string, BlockRejection]> = [
    ["spends what our copy of an old block may lack", { _tag: "UnknownInput", txid: ZERO_HASH, outpoint }],
    ["breaks only a rule that timed does not check", { _tag: "CoinbaseMissing" }],
    ["comes from a clock ahead of ours", { _tag: "TimestampTooFarAhead", latest: 1n, actual: 2n }],
    ["spends what was finalised before", { _tag: "InputFromSameBlock", txid: ZERO_HASH, outpoint }]
  ]
  for (const [what, rejection] of honest) {
    it.effect(`a block that ${what} is dropped, and nobody is blamed`, () => {
      const { layer, reports, seen } = announced(rejected(rejection), { banAt: 1 })
      return Effect.gen(function* () {
        yield* handle([{ _tag: "BlockAnnouncement", block: blocks[2]! }])
        assert.deepStrictEqual([seen.relayed, seen.offences, seen.disconnects, reports], [[], [], [], []])
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("a store that fails is nobody's fault, and the next block is dealt with", () => {
    const failure = new StoreError({ operation: "commit", reason: "Failed", detail: "disk" })
    let failed = false
    const { layer, seen } = announced((offered) => {
      if (failed) return connected(offered)
      failed = true
      offered.decided(failure)
    })
    return Effect.gen(function* () {
      yield* handle([
        { _tag: "BlockAnnouncement", block: blocks[4]! },
        { _tag: "BlockAnnouncement", block: blocks[5]! }
      ])
      assert.deepStrictEqual(seen.offences, [])
      assert.deepStrictEqual(seen.relayed, [[{ _tag: "BlockAnnouncement", block: blocks[5]! }, peer(1)]])
    }).pipe(Effect.provide(layer))
  })

  it.effect("a full queue drops the block, so that no reader waits for the chain", () => {
    const seen = deeds()
    return Effect.gen(function* () {
      yield* handle([{ _tag: "BlockAnnouncement", block: blocks[5]! }])
      assert.deepStrictEqual([seen.relayed, seen.offences], [[], []])
    }).pipe(Effect.provide(handling(seen, Blockchain.layerTest({ offer: () => Effect.succeed(false) }))))
  })
})

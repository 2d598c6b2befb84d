/**
 * What tests of peer programs share: peers, connections, chains, and a registry that notes what is said.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Block, blockHash } from "../../src/protocol/Block.ts"
import { genesis } from "../../src/protocol/Genesis.ts"
import { type Hash256, sha256, ZERO_HASH } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import type { Message, MessageOf, MessageTag } from "../../src/protocol/Message.ts"
import { testnet } from "../../src/protocol/Network.ts"
import { type PeerId, peerId } from "../../src/protocol/PeerId.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"
import * as Wire from "../../src/protocol/wire/Wire.ts"
import {
  type Connection,
  type PeerInfo,
  PeerRegistry,
  type PeerRegistryTest,
  type SentMessage
} from "../../src/services/PeerRegistry.ts"

/** A peer of its own for every number up to 255. */
export const peer = (number: number): PeerId => peerId(`203.0.113.${number}`)!

export const connection = (overrides: Partial<Connection> = {}): Connection => ({
  peer: peer(1),
  direction: "inbound",
  generation: 1,
  connectedAt: 0,
  agent: "timed",
  ...overrides
})

export const peerInfo = (overrides: Partial<PeerInfo> = {}): PeerInfo => ({
  ...connection(overrides),
  port: testnet.p2pPort,
  capabilities: [],
  lastReceivedAt: 0,
  ping: null,
  lastBlockAt: null,
  lastTransactionAt: null,
  bytesReceived: 0,
  bytesSent: 0,
  outboundBytes: 0,
  inboundMessages: 0,
  pendingRequests: 0,
  ...overrides
})

/** A message as its receiver gets it, however it was handed over. */
export const plain = (message: SentMessage["message"]): Message => {
  if ("_tag" in message) return message
  const line = Buffer.concat(message.chunks)
  const decoded = Wire.decode(line, 0, line.length - 1)
  if (line.at(-1) !== 0x0a || decoded._tag === "WireError") throw new Error(`not a line: ${line.toString()}`)
  return decoded
}

/** What was said, to whom, in order. */
export const said = (sent: ReadonlyArray<SentMessage>): ReadonlyArray<readonly [PeerId | "all", Message]> =>
  sent.map(({ message, peer }) => [peer, plain(message)])

/** The one message that was said, which must be of that variant. */
export const onlyAnswer = <Tag extends MessageTag>(sent: ReadonlyArray<SentMessage>, tag: Tag): MessageOf<Tag> => {
  const messages = said(sent)
  const message = messages[0]?.[1]
  if (messages.length !== 1 || message?._tag !== tag) {
    throw new Error(`expected one ${tag}, got ${messages.map(([, { _tag }]) => _tag).join(", ") || "nothing"}`)
  }
  return message as Extract<Message, { readonly _tag: Tag }> as MessageOf<Tag>
}

/** A test registry with parts of it replaced. */
export const registry = (
  options: PeerRegistryTest = {},
  overrides: Partial<PeerRegistry["Service"]> = {}
): Layer.Layer<PeerRegistry> =>
  Layer.effect(
    PeerRegistry,
    Effect.map(PeerRegistry, (base) => PeerRegistry.of({ ...base, ...overrides }))
  ).pipe(Layer.provide(PeerRegistry.layerTest(options)))

export const transaction = (number: number): Transaction => ({
  version: 1,
  inputs: [
    { previousOutput: { txid: sha256(Uint8Array.of(number)), vout: 0 }, scriptSig: new Uint8Array(0), sequence: 0 }
  ],
  outputs: [{ value: satoshi(BigInt(number)), scriptPubkey: new Uint8Array(0) }],
  lockTime: 0,
  timestamp: 0n
})

/** Blocks of the testnet from genesis to the height, without content; another `branch` differs from block `fork` on. */
export const chainTo = (last: number, branch = 0, fork = 1): ReadonlyArray<Block> => {
  const name = `${branch} ${branch === 0 ? 0 : fork}`
  const blocks = chains.get(name) ?? [genesis(testnet).block]
  for (let at = blocks.length; at <= last; at++) {
    blocks.push(emptyBlock(at, blockHash(blocks[at - 1]!.header), at >= fork ? branch : 0))
  }
  chains.set(name, blocks)
  return blocks.slice(0, last + 1)
}

const chains = new Map<string, Array<Block>>()

export const emptyBlock = (at: number, previousHash: Hash256 = ZERO_HASH, branch = 0): Block => ({
  header: {
    version: 1,
    height: height(at),
    previousHash,
    merkleRoot: ZERO_HASH,
    timestamp: testnet.genesisTime + testnet.blockSeconds * BigInt(at),
    blockReward: satoshi(BigInt(branch))
  },
  transactions: [],
  masternodeRewards: []
})

/** The time of the clock at which the block of that height is due, in milliseconds. */
export const dueMillis = (at: number): number => Number(testnet.genesisTime + testnet.blockSeconds * BigInt(at)) * 1000

/**
 * The messages the codec is measured with.
 */
import { isCurvePoint } from "../../src/protocol/CurvePoint.ts"
import type { PublicKey } from "../../src/protocol/Ed25519.ts"
import type { Block } from "../../src/protocol/Block.ts"
import type { Hash256 } from "../../src/protocol/Hash.ts"
import { height } from "../../src/protocol/Height.ts"
import type { Message } from "../../src/protocol/Message.ts"
import { satoshi } from "../../src/protocol/Satoshi.ts"
import type { Transaction } from "../../src/protocol/Transaction.ts"

/** Bytes that look random and are the same in every run. */
const makeBytes = (seed: number) => {
  let state = seed
  return (length: number): Uint8Array =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return state >>> 16
    })
}

const bytes = makeBytes(1)
const hash = () => bytes(32) as Hash256
const address = Buffer.from("TIME0K3mGXsW9dLqPZ7yVtRb2NcH8fJxAeUo4")

const transaction = (): Transaction => ({
  version: 1,
  inputs: [1, 2].map((vout) => ({
    previousOutput: { txid: hash(), vout },
    scriptSig: bytes(64),
    sequence: 0xffff_ffff
  })),
  outputs: [1, 2].map((share) => ({ value: satoshi(1_234_567_890 * share), scriptPubkey: new Uint8Array(address) })),
  lockTime: 0,
  timestamp: 1_765_900_000n
})

const block = (at: number): Block => ({
  header: {
    version: 1,
    height: height(at),
    previousHash: hash(),
    merkleRoot: hash(),
    timestamp: 1_765_900_000n + BigInt(at * 600),
    blockReward: satoshi(10_000_000_000)
  },
  transactions: Array.from({ length: 20 }, transaction),
  masternodeRewards: [{ address: address.toString(), amount: satoshi(10_000_000_000) }]
})

export const typicalMessages = () =>
  ({
    ping: { _tag: "Ping", nonce: 18_446_744_073_709_551_615n, timestamp: 1_765_900_000n },
    transaction: { _tag: "TransactionBroadcast", transaction: transaction() },
    "100 blocks": { _tag: "BlocksResponse", blocks: Array.from({ length: 100 }, (_, at) => block(at)) },
    "10k UTXOs": {
      _tag: "UTXOSetResponse",
      utxos: Array.from({ length: 10_000 }, (_, vout) => ({
        outpoint: { txid: hash(), vout: vout % 4 },
        value: satoshi(10_000_000_000 + vout),
        scriptPubkey: new Uint8Array(address),
        address: address.toString()
      }))
    }
  }) satisfies Record<string, Message>

const key = (): PublicKey => {
  let candidate = bytes(32)
  while (!isCurvePoint(candidate)) candidate = bytes(32)
  return candidate as PublicKey
}

/** Lists of 2,000 masternodes with keys that occur once, more of them than the decoder remembers. */
export const masternodeLists = () =>
  Array.from(
    { length: 4 },
    () =>
      ({
        _tag: "MasternodesResponse",
        masternodes: Array.from({ length: 2_000 }, (_, index) => ({
          address: `203.0.${index >> 8}.${index & 255}`,
          rewardAddress: address.toString(),
          tier: "Free",
          publicKey: key()
        }))
      }) satisfies Message
  )

/**
 * The bytes of a snapshot: the unspent outputs after a block, the hashes of all blocks up to it, and the blocks after it.
 *
 * Described in docs/snapshots.md. The same block makes the same bytes on every node. The reader takes chunks of any size,
 * holds one record at a time, and checks order, counts and sums as it goes; what it gave counts only when `finish` has
 * not thrown, because the sum over everything stands at the end.
 */
import { bytesEqual, compareBytes } from "../protocol/ByteArray.ts"
import { genesis } from "../protocol/Genesis.ts"
import { type Hash256, type Sha256Stream, sha256Stream, toHex } from "../protocol/Hash.ts"
import { height as toHeight } from "../protocol/Height.ts"
import * as Limits from "../protocol/Limits.ts"
import type { Network } from "../protocol/Network.ts"
import type { Utxo } from "../protocol/Utxo.ts"
import { UtxoSetHasher } from "../protocol/UtxoSetHash.ts"
import type { SnapshotBase } from "../services/ChainStore.ts"
import { SnapshotError } from "./SnapshotError.ts"
import { rowKey, rowValue, toUtxo } from "./UtxoRow.ts"

export const SNAPSHOT_VERSION = 1

/** Blocks that follow the base, so that a node which begins with it can take back as many as a reorganisation does. */
export const SNAPSHOT_BLOCKS = Limits.REORG_DEPTH

/** The first bytes. */
export const encodeHeader = (network: Network, base: SnapshotBase): Uint8Array => {
  const bytes = new Uint8Array(HEADER_SIZE)
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC)
  view.setUint32(8, SNAPSHOT_VERSION, true)
  bytes.set(genesis(network).hash, 12)
  view.setBigUint64(44, base.height, true)
  bytes.set(base.hash, 52)
  view.setBigUint64(84, base.utxoCount, true)
  bytes.set(base.utxoHash, 92)
  bytes.set(base.coinsHash, 124)
  view.setUint32(156, SNAPSHOT_BLOCKS, true)
  return bytes
}

export const encodeCoin = ({ outpoint, scriptPubkey, value }: Utxo): Uint8Array => {
  const bytes = new Uint8Array(COIN_SIZE + scriptPubkey.length)
  const view = new DataView(bytes.buffer)
  bytes.set(outpoint.txid)
  view.setUint32(32, outpoint.vout, true)
  view.setBigUint64(36, value, true)
  view.setUint32(44, scriptPubkey.length, true)
  bytes.set(scriptPubkey, COIN_SIZE)
  return bytes
}

export const encodeSnapshotBlock = (block: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(4 + block.length)
  new DataView(bytes.buffer).setUint32(0, block.length, true)
  bytes.set(block, 4)
  return bytes
}

/** Number and both hashes of a set of outputs that are added in the order of their keys. */
export class CoinSums {
  readonly #utxoHash = new UtxoSetHasher()
  readonly #coinsHash = sha256Stream()
  #count = 0n

  add(utxo: Utxo): void {
    this.#utxoHash.add(utxo)
    this.#coinsHash.update(encodeCoin(utxo))
    this.#count += 1n
  }

  digest(): Pick<SnapshotBase, "utxoCount" | "utxoHash" | "coinsHash"> {
    return { utxoCount: this.#count, utxoHash: this.#utxoHash.digest(), coinsHash: this.#coinsHash.digest() }
  }
}

/** Who gets what a snapshot holds, in this order. */
export interface SnapshotSink {
  readonly begin: (base: SnapshotBase) => void
  /** Hashes of blocks 0 to the base's. */
  readonly hash: (height: bigint, hash: Hash256) => void
  /** In the order of their keys. */
  readonly coin: (utxo: Utxo) => void
  /** Wire bytes of a block after the base; nothing about them is checked yet. */
  readonly block: (bytes: Uint8Array) => void
}

export class SnapshotReader {
  readonly #network: Network
  readonly #sink: SnapshotSink
  readonly #sum: Sha256Stream = sha256Stream()
  readonly #coins = new CoinSums()
  #base: SnapshotBase | undefined
  /** What was read and is not a whole record yet. */
  #rest: Uint8Array = new Uint8Array(0)
  #hashes = 0n
  #coinsLeft = 0n
  #blocksLeft = 0
  #lastKey: Uint8Array = new Uint8Array(0)
  #stage: "header" | "hashes" | "coins" | "blocks" | "sum" | "end" = "header"
  #digest: Hash256 | undefined

  constructor(network: Network, sink: SnapshotSink) {
    this.#network = network
    this.#sink = sink
  }

  /** Throws a `SnapshotError`, after which the reader cannot be used. */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : new Uint8Array(Buffer.concat([this.#rest, chunk]))
    let at = 0
    for (;;) {
      const size = this.#sizeAt(bytes, at)
      if (size === undefined || at + size > bytes.length) break
      const record = bytes.subarray(at, at + size)
      if (this.#stage !== "sum") this.#sum.update(record)
      this.#take(record)
      at += size
    }
    if (this.#stage === "end" && at < bytes.length) throw damaged("there is more after its end")
    // A copy, so that the chunk can be let go.
    this.#rest = bytes.slice(at)
  }

  /** The snapshot's hash, which covers all of it. Throws a `SnapshotError` if its end is missing. */
  finish(): { readonly base: SnapshotBase; readonly hash: Hash256 } {
    if (this.#base === undefined || this.#digest === undefined) throw damaged("it ends too early")
    return { base: this.#base, hash: this.#digest }
  }

  /** The size of the record that begins there; unknown until its length has come. */
  #sizeAt(bytes: Uint8Array, at: number): number | undefined {
    switch (this.#stage) {
      case "header":
        // A file of another kind is told apart by its first bytes, however short it is.
        if (compareBytes(bytes.subarray(at, at + 8), MAGIC.subarray(0, Math.min(8, bytes.length - at))) !== 0) {
          throw new SnapshotError({ reason: "NoSnapshot", detail: "it does not begin as a snapshot does" })
        }
        return HEADER_SIZE
      case "hashes":
      case "sum":
        return HASH_SIZE
      case "coins":
        return bounded(COIN_SIZE, bytes, at + 44)
      case "blocks":
        return bounded(4, bytes, at)
      case "end":
        return undefined
    }
  }

  #take(record: Uint8Array): void {
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
    switch (this.#stage) {
      case "header":
        return this.#begin(record, view)
      case "hashes":
        return this.#takeHash(record.slice() as Hash256)
      case "coins":
        return this.#takeCoin(record, view)
      case "blocks":
        this.#sink.block(record.slice(4))
        if (--this.#blocksLeft === 0) this.#stage = "sum"
        return
      case "sum": {
        const digest = this.#sum.digest()
        if (!bytesEqual(digest, record)) throw damaged("its sum is another")
        this.#digest = digest
        this.#stage = "end"
      }
    }
  }

  #begin(record: Uint8Array, view: DataView): void {
    const version = view.getUint32(8, true)
    if (version !== SNAPSHOT_VERSION) {
      const detail = `it has format ${version}, this program reads ${SNAPSHOT_VERSION}`
      throw new SnapshotError({ reason: "OtherFormat", detail })
    }
    if (!bytesEqual(record.subarray(12, 44), genesis(this.#network).hash)) {
      const detail = `its genesis is ${toHex(record.subarray(12, 44))}, not that of ${this.#network.name}`
      throw new SnapshotError({ reason: "WrongNetwork", detail })
    }
    this.#base = {
      height: toHeight(view.getBigUint64(44, true)),
      hash: record.slice(52, 84) as Hash256,
      utxoCount: view.getBigUint64(84, true),
      utxoHash: record.slice(92, 124) as Hash256,
      coinsHash: record.slice(124, 156) as Hash256
    }
    this.#coinsLeft = this.#base.utxoCount
    this.#blocksLeft = view.getUint32(156, true)
    if (this.#blocksLeft !== SNAPSHOT_BLOCKS) throw damaged(`it has ${this.#blocksLeft} blocks after its base`)
    if (this.#base.height === 0n || this.#base.height > MAX_HEIGHT) throw damaged(`its base is ${this.#base.height}`)
    this.#sink.begin(this.#base)
    this.#stage = "hashes"
  }

  #takeHash(hash: Hash256): void {
    const base = this.#base!
    const at = this.#hashes++
    if (at === 0n && !bytesEqual(hash, genesis(this.#network).hash)) throw damaged("block 0 is not the genesis block")
    if (at === base.height && !bytesEqual(hash, base.hash)) throw damaged("the hash of its base is not the last one")
    this.#sink.hash(at, hash)
    if (at < base.height) return
    this.#stage = "coins"
    if (this.#coinsLeft === 0n) this.#endCoins()
  }

  #takeCoin(record: Uint8Array, view: DataView): void {
    const outpoint = { txid: record.slice(0, HASH_SIZE) as Hash256, vout: view.getUint32(32, true) }
    const key = rowKey(outpoint)
    if (compareBytes(this.#lastKey, key) >= 0) throw damaged("its outputs are not in order")
    this.#lastKey = key
    const utxo = toUtxo(outpoint, rowValue(view.getBigUint64(36, true)), record.slice(COIN_SIZE))
    this.#coins.add(utxo)
    this.#sink.coin(utxo)
    if (--this.#coinsLeft === 0n) this.#endCoins()
  }

  #endCoins(): void {
    const base = this.#base!
    const { coinsHash, utxoHash } = this.#coins.digest()
    if (!bytesEqual(utxoHash, base.utxoHash) || !bytesEqual(coinsHash, base.coinsHash)) {
      throw damaged("its outputs do not have the hash that it names")
    }
    this.#stage = "blocks"
  }
}

// --- internal ---

const MAGIC = new TextEncoder().encode("TIMEUTXO")
const HASH_SIZE = 32
/** Magic, version, genesis, height, hash, number of outputs, their two hashes, number of blocks. */
const HEADER_SIZE = 8 + 4 + 32 + 8 + 32 + 8 + 32 + 32 + 4
/** Txid, output number, value, length of the script. */
const COIN_SIZE = 32 + 4 + 8 + 4
/** The chain's index holds no more: 80,000 years of blocks. */
const MAX_HEIGHT = 2n ** 32n - 2n

/** The size of a record whose last part has its length there. */
const bounded = (fixed: number, bytes: Uint8Array, at: number): number | undefined => {
  if (bytes.length < at + 4) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true)
  if (length > Limits.SNAPSHOT_RECORD) throw damaged(`it has a record of ${length} bytes`)
  return fixed + length
}

const damaged = (detail: string): SnapshotError => new SnapshotError({ reason: "Damaged", detail })

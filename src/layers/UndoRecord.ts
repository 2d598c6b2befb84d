/**
 * The stored form of a block's delta: little-endian, fixed widths, no field names.
 *
 * height 8, hash 32, previous hash 32, timestamp 8, then txids, spent and created outputs, each list with its count
 * before it. An output is a flag, its txid unless it is the txid of the output before it, vout 4, value 8, script with
 * its length. Last, for each spent output, 4 bytes that say which transaction spends it. The address of an output is the
 * text of its script and is not stored.
 */
import type { BlockDelta } from "../consensus/BlockDelta.ts"
import { scriptText } from "../protocol/Address.ts"
import { bytesEqual } from "../protocol/ByteArray.ts"
import { type Hash256, ZERO_HASH } from "../protocol/Hash.ts"
import { height } from "../protocol/Height.ts"
import { satoshi } from "../protocol/Satoshi.ts"
import type { Utxo } from "../protocol/Utxo.ts"

export const encodeDelta = (delta: BlockDelta): Uint8Array => {
  const bytes = new Uint8Array(sizeOf(delta))
  const view = new DataView(bytes.buffer)
  let at = 0
  const u32 = (value: number): void => {
    view.setUint32(at, value, true)
    at += 4
  }
  const u64 = (value: bigint): void => {
    view.setBigUint64(at, value, true)
    at += 8
  }
  const raw = (value: Uint8Array): void => {
    bytes.set(value, at)
    at += value.length
  }
  const coins = (utxos: ReadonlyArray<Utxo>): void => {
    u32(utxos.length)
    let txid = ZERO_HASH
    for (const { outpoint, scriptPubkey, value } of utxos) {
      const repeated = bytesEqual(outpoint.txid, txid)
      bytes[at++] = repeated ? REPEATED : OWN
      if (!repeated) raw((txid = outpoint.txid))
      u32(outpoint.vout)
      u64(value)
      u32(scriptPubkey.length)
      raw(scriptPubkey)
    }
  }
  u64(delta.height)
  raw(delta.hash)
  raw(delta.previousHash)
  u64(BigInt.asUintN(64, delta.timestamp))
  u32(delta.txids.length)
  delta.txids.forEach(raw)
  coins(delta.spent)
  coins(delta.created)
  delta.spenders.forEach(u32)
  return bytes.slice(0, at)
}

/** Throws a `RangeError` for bytes that no delta has. */
export const decodeDelta = (bytes: Uint8Array): BlockDelta => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const u8 = (): number => view.getUint8(at++)
  const u32 = (): number => view.getUint32((at += 4) - 4, true)
  const u64 = (): bigint => view.getBigUint64((at += 8) - 8, true)
  const raw = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError("an undo record ends too early")
    return bytes.slice(at, (at += length))
  }
  const hash = (): Hash256 => raw(ZERO_HASH.length) as Hash256
  const list = <A>(item: () => A): ReadonlyArray<A> => {
    const items: Array<A> = []
    for (let left = u32(); left > 0; left--) items.push(item())
    return items
  }
  const coins = (): ReadonlyArray<Utxo> => {
    let txid = ZERO_HASH
    return list(() => {
      if (u8() === OWN) txid = hash()
      const outpoint = { txid, vout: u32() }
      const value = satoshi(u64())
      const scriptPubkey = raw(u32())
      return { outpoint, value, scriptPubkey, address: scriptText(scriptPubkey) }
    })
  }
  const delta = {
    height: height(u64()),
    hash: hash(),
    previousHash: hash(),
    timestamp: BigInt.asIntN(64, u64()),
    txids: list(hash),
    spent: coins(),
    created: coins()
  }
  const spenders = delta.spent.map(u32)
  if (at !== bytes.length) throw new RangeError("an undo record is too long")
  return { ...delta, spenders }
}

// --- internal ---

const OWN = 1
const REPEATED = 0
/** Height, two hashes, timestamp and three counts. */
const FIXED_SIZE = 8 + 32 + 32 + 8 + 3 * 4
/** Flag, txid, vout, value and length of the script. */
const COIN_SIZE = 1 + 32 + 4 + 8 + 4

/** An upper bound: as if no txid were repeated. */
const sizeOf = ({ created, spent, txids }: BlockDelta): number => {
  let size =
    FIXED_SIZE + spent.length * 4 + txids.length * ZERO_HASH.length + (created.length + spent.length) * COIN_SIZE
  for (const { scriptPubkey } of spent) size += scriptPubkey.length
  for (const { scriptPubkey } of created) size += scriptPubkey.length
  return size
}

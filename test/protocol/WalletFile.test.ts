import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { toHex } from "../../src/protocol/Hash.ts"
import { decodeWalletFile } from "../../src/protocol/WalletFile.ts"
import { fromHex, readVectors } from "../fixtures/Vectors.ts"

const { wallet_files } = readVectors("signatures.json")
const reasonOf = (bytes: Uint8Array): string =>
  Result.match(decodeWalletFile(bytes), { onSuccess: () => "none", onFailure: ({ reason }) => reason })

/** The first recorded file with the bytes at an offset replaced. */
const changed = (offset: number, ...bytes: ReadonlyArray<number>): Uint8Array => {
  const file = fromHex(wallet_files[0].file_hex)
  file.set(bytes, offset)
  return file
}

describe("WalletFile", () => {
  it("reads every recorded file", () => {
    assert.strictEqual(wallet_files.length, 3)
    for (const recorded of wallet_files) {
      const wallet = Result.getOrThrow(decodeWalletFile(fromHex(recorded.file_hex)))
      assert.deepStrictEqual(
        [wallet.network.name, toHex(Redacted.value(wallet.seed)), wallet.address as string, wallet.label],
        [recorded.network.toLowerCase(), recorded.seed_hex, recorded.loads_as_address, recorded.label]
      )
      assert.strictEqual(wallet.createdAt, BigInt(recorded.created_at))
    }
  })

  it("refuses a file that ends early, wherever", () => {
    const file = fromHex(wallet_files[0].file_hex)
    for (let length = 0; length < file.length; length++) {
      assert.strictEqual(reasonOf(file.subarray(0, length)), "Truncated", `${length} bytes`)
    }
    assert.strictEqual(reasonOf(Buffer.concat([file, Buffer.from("more")])), "none")
  })

  it("says what else is wrong with a file", () => {
    assert.strictEqual(reasonOf(changed(0, 2)), "Version")
    assert.strictEqual(reasonOf(changed(4, 2)), "Network")
    assert.strictEqual(reasonOf(changed(8, 0, 0)), "PublicKey")
    assert.strictEqual(reasonOf(changed(40, 0, 0)), "PublicKey")
    assert.strictEqual(reasonOf(changed(4, 0)), "Address")
    assert.strictEqual(reasonOf(changed(72, ...new Array(8).fill(255))), "Truncated")
    assert.strictEqual(reasonOf(changed(80, 255)), "Text")
    assert.strictEqual(reasonOf(changed(80 + wallet_files[0].address.length + 8, 2)), "Text")
  })

  it("does not show the secret when printed", () => {
    const wallet = Result.getOrThrow(decodeWalletFile(fromHex(wallet_files[0].file_hex)))
    assert.strictEqual(String(wallet.seed), "<redacted>")
  })
})

/**
 * The recorded chain testnet-2601, in a data directory of its own: what the measured nodes serve.
 */
import { spawn } from "node:child_process"
import { createReadStream } from "node:fs"
import { join, resolve } from "node:path"
import { createGunzip } from "node:zlib"

const root = resolve(import.meta.dirname, "../..")

export const importChain = (dir: string): Promise<void> =>
  new Promise((done, failed) => {
    const child = spawn(process.execPath, ["src/bin.ts", "chain", "import", "-", "--data-dir", dir], {
      cwd: root,
      stdio: ["pipe", "ignore", "ignore"]
    })
    createReadStream(join(root, "test/vectors/chain/testnet-2601.jsonl.gz")).pipe(createGunzip()).pipe(child.stdin)
    child.once("exit", (code) => (code === 0 ? done() : failed(new Error(`chain import ended with ${code}`))))
  })

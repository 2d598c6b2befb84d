/**
 * Runs measurements: `npm run bench` lists them, `npm run bench -- codec` runs `bench/codec.ts`.
 */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { basename, join } from "node:path"

const folder = import.meta.dirname
const known = readdirSync(folder)
  .filter((file) => file.endsWith(".ts") && file !== basename(import.meta.filename))
  .map((file) => basename(file, ".ts"))

const [name, ...args] = process.argv.slice(2)
if (name === undefined) {
  console.log(known.join("\n"))
} else if (known.includes(name)) {
  const script = join(folder, `${name}.ts`)
  process.exitCode = spawnSync(process.execPath, ["--expose-gc", script, ...args], { stdio: "inherit" }).status ?? 1
} else {
  console.error(`no measurement ${name}; there are: ${known.join(", ")}`)
  process.exitCode = 2
}

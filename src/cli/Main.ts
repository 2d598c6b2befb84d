/**
 * The process around a command. A signal interrupts the command, which then has a few seconds to store everything.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { run } from "./Cli.ts"
import * as StopDeadline from "./StopDeadline.ts"

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => StopDeadline.arm(signal))
// Whoever read our output has gone; a node goes on without.
for (const output of [process.stdout, process.stderr]) output.on("error", () => {})

run(process.argv.slice(2)).pipe(
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // A command for which a signal is the proper end has set the exit code itself.
    teardown: (exit, onExit) =>
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && process.exitCode !== undefined
        ? onExit(Number(process.exitCode))
        : Runtime.defaultTeardown(exit, onExit)
  })
)

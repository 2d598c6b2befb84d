/**
 * Where logs go and how they look: always to standard error, so that standard output holds results alone.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as EffectLogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type { LogFormat, LogLevelName } from "../config/Settings.ts"
import { StatusLine } from "./StatusLine.ts"

export const layer = (logging: {
  readonly level: LogLevelName
  readonly format: LogFormat
}): Layer.Layer<never, never, StatusLine> =>
  Layer.mergeAll(
    Logger.layer([Effect.map(StatusLine, (line) => line.over(loggers[logging.format]()))]),
    Layer.succeed(Logger.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, levels[logging.level])
  )

// --- internal ---

const levels: Readonly<Record<LogLevelName, EffectLogLevel.LogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  off: "None"
}

const loggers: Readonly<Record<LogFormat, () => Logger.Logger<unknown, void>>> = {
  pretty: () =>
    Logger.consolePretty({
      mode: "tty",
      colors: process.stderr.isTTY === true && process.env["NO_COLOR"] === undefined,
      formatDate: (date) => date.toISOString()
    }),
  json: () => Logger.withConsoleError(Logger.formatJson),
  logfmt: () => Logger.withConsoleError(Logger.formatLogFmt)
}

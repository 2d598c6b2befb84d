/**
 * The last line on a terminal, drawn again and again while long work goes on.
 *
 * There is one standard error, and one of these for a command: whatever else is printed there while a line is drawn is
 * printed after `erase`, or by a logger that was put `over` the line, so that no line is torn.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { type Progressed, progressLine } from "./ProgressLine.ts"

export class StatusLine extends Context.Service<
  StatusLine,
  {
    /** Whether there is a terminal to draw on; without one, drawing does nothing. */
    readonly isDrawn: boolean
    /** Puts the line in the place of the one before, cut to the terminal. */
    readonly draw: (progressed: Progressed) => Effect.Effect<void>
    /** Takes the line away, so that something else can be printed. */
    readonly erase: Effect.Effect<void>
    /** The same logger, whose lines take the place of the one that is drawn, which comes back below them. */
    readonly over: <Message>(logger: Logger.Logger<Message, void>) => Logger.Logger<Message, void>
  }
>()("timenode/cli/StatusLine") {
  /** On standard error, where it is a terminal that can erase a line. */
  static readonly layer: Layer.Layer<StatusLine> = Layer.sync(StatusLine, () =>
    onTerminal(process.stderr, {
      isDrawn: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
      isPlain: (process.env["NO_COLOR"] ?? "") !== ""
    })
  )
}

// --- internal ---

interface Drawing {
  readonly isDrawn: boolean
  /** Whether the operator wants no colours. */
  readonly isPlain: boolean
}

const onTerminal = (terminal: NodeJS.WriteStream, { isDrawn, isPlain }: Drawing): StatusLine["Service"] => {
  let isShown = false
  const draw = (progressed: Progressed): void => {
    if (!isDrawn) return
    // The last column is left free, because some terminals wrap when it is filled.
    terminal.write(`${ERASE}${progressLine(progressed, (terminal.columns || 80) - 1, isPlain)}`)
    isShown = true
  }
  const erase = (): void => {
    if (isShown) terminal.write(ERASE)
    isShown = false
  }
  return {
    isDrawn,
    draw: (progressed) => Effect.sync(() => draw(progressed)),
    erase: Effect.sync(erase),
    over: (logger) =>
      Logger.make((options) => {
        erase()
        logger.log(options)
      })
  }
}

const ERASE = "\r\u001b[K"

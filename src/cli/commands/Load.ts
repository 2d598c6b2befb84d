/**
 * Programs are loaded when their command runs, so that help does not wait for the codec and the node.
 */
import * as Effect from "effect/Effect"

/** The module that is imported. */
export const load = <Module>(module: () => Promise<Module>): Effect.Effect<Module> => Effect.promise(module)

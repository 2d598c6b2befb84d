/**
 * Texts of help that take several lines, which the formatter does not wrap.
 */

/** The lines of a description, each indented as the formatter indents the first. */
export const paragraph = (...lines: ReadonlyArray<string>): string => lines.join("\n  ")

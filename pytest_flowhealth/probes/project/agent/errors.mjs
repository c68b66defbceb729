/** An answer that is an error: `failed` is evidence of a fault, `unavailable` means not measured. */
export class AgentError extends Error {
  /**
   * @param {"failed" | "unavailable"} kind
   * @param {string} message
   * @param {string} [remedy] a command, or a sentence
   */
  constructor(kind, message, remedy) {
    super(message);
    this.kind = kind;
    this.remedy = remedy;
  }
}

/**
 * @param {unknown} error
 * @returns {{ kind: string, message: string, remedy: string | null }}
 */
export function describe(error) {
  if (error instanceof AgentError) {
    return { kind: error.kind, message: error.message, remedy: error.remedy ?? null };
  }
  return { kind: "unavailable", message: firstLines(error), remedy: null };
}

/**
 * @param {any} error
 * @returns {string} its message on one line, without a stack
 */
export function firstLines(error) {
  const text = String(error?.message || error?.code || error);
  return text.split("\n").slice(0, 3).join(" ").slice(0, 500);
}

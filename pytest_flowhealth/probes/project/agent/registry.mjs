import { AgentError } from "./errors.mjs";

/** @returns {Promise<object>} */
export async function answer() {
  throw new AgentError("unavailable", "not written yet");
}

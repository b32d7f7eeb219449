/** At once where it has: a leadership may be over before its job begins. */
export async function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

import type { Answers } from './types.ts';

/** Answers by this iteration, and by this function where they need not be waited for. */
export function withReady<Res>(answers: AsyncIterable<Res>, takeReady: () => Res | undefined): Answers<Res> {
  return { [Symbol.asyncIterator]: () => answers[Symbol.asyncIterator](), takeReady };
}

/**
 * Answers that go through another iteration, for what it does before and after them. `iterate` says by `began` whose
 * answers they are; those of them that need not be waited for are taken past it.
 */
export function passing<Res>(
  iterate: (began: (answers: Answers<Res>) => Answers<Res>) => AsyncIterable<Res>,
): Answers<Res> {
  let inner: Answers<Res> | undefined;
  const iterated = iterate((answers) => {
    inner = answers;
    return answers;
  });
  return withReady(iterated, () => inner?.takeReady?.());
}

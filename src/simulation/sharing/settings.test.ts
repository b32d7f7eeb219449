import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Draw } from '../world/random.ts';
import { drawSharing, isGuardKind, sharingKinds } from './settings.ts';

test('about a third of the lives share something: a quarter one of the usual kinds, the others what a guard guards', () => {
  const counts = new Map<string, number>();
  for (let seed = 0; seed < 2000; seed++) {
    const kind = drawSharing(new Draw(seed))?.kind ?? 'none';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const shown = JSON.stringify([...counts]);
  assert.ok(Math.abs((counts.get('none') ?? 0) - 1275) < 100, shown);
  for (const kind of sharingKinds) assert.ok((counts.get(kind) ?? 0) > (isGuardKind(kind) ? 12 : 75), shown);
});

test('a life that is told what to share draws the same otherwise', () => {
  for (let seed = 0; seed < 200; seed++) {
    const drawn = drawSharing(new Draw(seed));
    if (drawn !== undefined) assert.deepEqual(drawSharing(new Draw(seed), drawn.kind), drawn);
    assert.equal(drawSharing(new Draw(seed), 'none'), undefined);
    assert.equal(drawSharing(new Draw(seed), 'log')?.kind, 'log');
  }
});

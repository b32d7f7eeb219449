import { createLogUpdate } from 'log-update';
import { wantsColour } from '../output.ts';
import { monotonicMs } from './cast.ts';
import { entryLine, eventLine, newEntries } from './plain.ts';
import { render } from './render.ts';
import type { DevSession } from './session.ts';

/** Shows a session until `stop`. */
export interface Display {
  stop(): void;
}

/** Ten frames a second while something moves; log-update writes only the lines that changed. */
const frameMs = 100;

/** The live view, for a terminal. */
export function showLive(session: DevSession, stream: NodeJS.WriteStream): Display {
  const update = createLogUpdate(stream);
  const colour = wantsColour(stream);
  let drawn: number | undefined;
  const draw = () => {
    // log-update ends its frame with a newline, which takes a row of its own.
    const screen = {
      width: stream.columns ?? 80,
      height: (stream.rows ?? 24) - 1,
      colour,
      nowMs: monotonicMs(),
    };
    const lines = render(session.state, screen);
    // log-update takes the lines below a change for standing where they stood, which they do not in a frame that grew.
    if (drawn !== undefined && drawn !== lines.length) update.clear();
    drawn = lines.length;
    update(lines.join('\n'));
  };
  draw();
  const timer = setInterval(draw, frameMs);
  stream.on('resize', draw);
  return {
    stop() {
      clearInterval(timer);
      stream.off('resize', draw);
      draw();
      update.done();
    },
  };
}

/** The timeline as lines, for a pipe; with `json` every event as one. */
export function showLines(session: DevSession, stream: NodeJS.WritableStream, json: boolean): Display {
  let seen = session.state.timeline.at(-1);
  const stop = session.onEvent((state, event) => {
    if (json) {
      const line = eventLine(state, event);
      if (line !== undefined) stream.write(line);
      return;
    }
    for (const entry of newEntries(state, seen)) stream.write(entryLine(state, entry));
    seen = state.timeline.at(-1);
  });
  return { stop };
}

/** The keys of the footer. `quit` is also what Ctrl-C does, as a raw terminal sends no signal for it. */
export function listenToKeys(session: DevSession, stream: NodeJS.ReadStream, quit: () => void): Display {
  const actions: Readonly<Record<string, () => void>> = {
    k: () => session.killRaftLeader(),
    j: () => session.killJobLeader(),
    p: () => void session.pauseJobLeader(),
    h: () => session.heal(),
    q: quit,
    '\u0003': quit,
    '\u0004': quit,
  };
  const onData = (text: Buffer) => {
    for (const key of text.toString('utf8')) actions[key.toLowerCase()]?.();
  };
  stream.setRawMode(true);
  stream.on('data', onData);
  stream.resume();
  return {
    stop() {
      stream.off('data', onData);
      stream.setRawMode(false);
      stream.pause();
    },
  };
}

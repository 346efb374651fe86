/** Compares what a camera captured with what was delivered: nothing torn, nothing twice, nothing unaccounted. */

/**
 * `captures`: "crc32 bytes" in order of capture; `frames`: JSON lines of delivered frames; `dropped`: captures that the
 * bridge counted as not delivered; `destroyed`: captures that may have been lost with the camera's memory at a reset.
 */
export function account({ captures, frames, dropped, destroyed }) {
  const position = new Map(captures.map((capture, index) => [capture, index]));
  const seen = new Set();
  let torn = 0;
  let twice = 0;
  let disordered = 0;
  let gaps = 0;
  let last = -1;
  frames.forEach((frame, index) => {
    if (frame.sequence !== index + 1) gaps++;
    const at = position.get(`${frame.crc32} ${frame.bytes}`);
    if (at === undefined) torn++;
    else if (seen.has(at)) twice++;
    else if (at < last) disordered++;
    if (at !== undefined) {
      seen.add(at);
      last = Math.max(last, at);
    }
  });
  // The capture that is latched at the end has not been read yet.
  const missing = last + 1 - seen.size;
  return {
    captured: last + 1,
    delivered: frames.length,
    torn,
    twice,
    disordered,
    gaps,
    missing,
    dropped,
    destroyed,
  };
}

/** What of an account breaks a promise; empty when all is well. */
export function complaints({ torn, twice, disordered, gaps, missing, dropped, destroyed }) {
  const wrong = [];
  if (torn > 0) wrong.push(`${torn} torn`);
  if (twice > 0) wrong.push(`${twice} delivered twice`);
  if (disordered > 0) wrong.push(`${disordered} out of order`);
  if (gaps > 0) wrong.push(`${gaps} gaps in the sequence`);
  const unaccounted = missing - dropped;
  if (unaccounted > destroyed) wrong.push(`${unaccounted - destroyed} unaccounted`);
  return wrong;
}

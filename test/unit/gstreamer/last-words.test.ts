/** The reason why a pipeline ended, out of what GStreamer 1.22 writes to stderr. */
import { describe, expect, it } from 'vitest';
import { LastWords } from '../../../src/gstreamer/last-words.js';

const GENERIC = `ERROR: from element /GstPipeline:pipeline0/GstFdSrc:fdsrc0: Internal data stream error.
Additional debug info:
../libs/gst/base/gstbasesrc.c(3132): gst_base_src_loop (): /GstPipeline:pipeline0/GstFdSrc:fdsrc0:
streaming stopped, reason REASON
ERROR: pipeline doesn't want to preroll.
`;
const log = (where: string, what: string): string =>
  `0:00:00.01 12 0x55 DEBUG               GST_CAPS gstpad.c:2287:gst_pad_link_check:<${where}> ${what}\n`;

function message(...texts: string[]): string {
  const words = new LastWords();
  // In pieces that end anywhere.
  const bytes = Buffer.from(texts.join(''));
  for (let at = 0; at < bytes.length; at += 37) words.push(bytes.subarray(at, at + 37));
  return words.failure('a ! b', undefined).message;
}

describe('the last words of a pipeline', () => {
  it('say what the frames are and what it takes, when the two do not fit', () => {
    const said = message(
      log('jpegdec0:src', 'src caps video/x-raw'),
      log('capsfilter0:sink', 'sink caps video/x-raw, width=(int)1'),
      log('matroskademux0:video_0', 'src caps image/jpeg, width=(int)64'),
      log('jpegdec0:sink', 'sink caps image/jpeg, width=(int)1'),
      log('fakesink0:sink', 'sink caps ANY'),
      GENERIC.replace('REASON', 'not-linked (-1)'),
    );
    expect(said).toBe(
      "The GStreamer pipeline ended: it does not take these frames: they are image/jpeg, width=(int)64, and it takes image/jpeg, width=(int)1. GStreamer's last words: streaming stopped, reason not-linked (-1) (a ! b)",
    );
  });

  it('say which element refused which caps, at a bounded length', () => {
    const caps = `video/x-raw, format=(string)GRAY8, ${'x'.repeat(2_000)}`;
    const said = message(
      log('capsfilter0:sink', `caps ${caps} not accepted`),
      GENERIC.replace('REASON', 'not-negotiated (-4)'),
    );
    expect(said).toMatch(
      /capsfilter0:sink, caps video\/x-raw, format=\(string\)GRAY8, x+ \.\.\. not accepted/,
    );
    expect(said).toMatch(/reason not-negotiated \(-4\)/);
    expect(said.length).toBeLessThan(800);
  });

  it('are the error that says more than that there was one', () => {
    const special =
      'ERROR: from element /GstPipeline:pipeline0/GstIdentity:identity0: Failed after iterations.\n';
    expect(message(GENERIC.replace('REASON', 'error (-5)'), special)).toMatch(/identity0: Failed after iter/);
    expect(message(GENERIC.replace('REASON', 'error (-5)'))).toMatch(
      /ended: streaming stopped, reason error/,
    );
    expect(message('WARNING: erroneous pipeline: could not link a to b\n')).toMatch(
      /ended: could not link a to b/,
    );
    expect(message('something else')).toMatch(/ended: something else/);
    expect(message()).toMatch(/it gave no reason/);
  });
});
